//! What people type: the subcommands and their flags, with the texts of `--help` and of the manual.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use ipnet::IpNet;

use crate::api::Duration;

/// Said at the end of every help text.
pub const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 the command line is wrong.";

/// The subcommands for people.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what every token is doing: a table, or everything about one.
    ///
    /// READY says whether the token in the Secret is good now, REASON how the last attempt to get one ended. With a NAME
    /// you get the conditions in whole sentences, what to do about them, and the Events.
    #[command(after_help = EXIT_CODES)]
    Status(StatusArguments),

    /// Ask for new tokens now, and wait until they are there.
    ///
    /// Sets the annotation tokensource.dev/renew-requested-at and waits until the controller has dealt with it. It is
    /// held to one request a minute for each TokenSource. Fails where one could not be renewed, with the reason.
    #[command(after_help = EXIT_CODES)]
    Renew(RenewArguments),

    /// Read manifests without a cluster, and say what would be sent.
    ///
    /// Judges TokenSources by the controller's own rules and shows the request, with secrets masked, and when the token
    /// would be renewed. Give it everything that a TokenSource names: the provider, the Secrets, the ConfigMap of
    /// tls.caBundleRef. With --send the provider is really asked, once; the token is never shown, stored or kept.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArguments),

    /// Print the CustomResourceDefinitions as YAML, to be piped into kubectl apply -f -.
    Crd,

    /// Print the completion script for a shell.
    ///
    /// For bash: source <(tokensource completion bash)
    Completion {
        /// The shell.
        shell: Shell,
    },

    /// Print the manual, to be read with man -l -.
    Man,
}

/// Which cluster, and where in it.
#[derive(Debug, Args)]
pub struct ClusterArguments {
    /// The namespace. Default: the context's.
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,

    /// The context of the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// The kubeconfig. Default: those that the variable KUBECONFIG names, else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// `tokensource status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Everything about this one.
    #[arg(conflicts_with_all = ["all_namespaces", "selector"])]
    pub name: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,

    /// In all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Only those with these labels, e.g. team=payments,slice!=2.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Go on showing the table as it changes: on a terminal in place, else a line for each change.
    #[arg(short, long)]
    pub watch: bool,

    /// How it is shown.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: StatusOutput,
}

/// How a status is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people.
    Table,
    /// For programs: a list of objects, with a NAME one object, with --watch one object a line.
    Json,
}

/// `tokensource renew`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["names", "all", "selector"]))]
pub struct RenewArguments {
    /// The TokenSources.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// All of the namespace.
    #[arg(long)]
    pub all: bool,

    /// All with these labels.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,

    /// How long to wait.
    #[arg(long, value_name = "TIME", default_value = "2m")]
    pub timeout: Duration,
}

/// `tokensource check`
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// A file of manifests, YAML or JSON; - is the standard input. May be given several times.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Really ask the provider, once for each TokenSource.
    #[arg(long)]
    pub send: bool,

    /// Let requests go to these addresses though a rule refuses them, as the controller's flag of this name.
    #[arg(long = "allow-network", value_name = "CIDR", value_delimiter = ',', requires = "send")]
    pub allow_networks: Vec<IpNet>,

    /// Let no request go to these addresses, as the controller's flag of this name.
    #[arg(long = "deny-network", value_name = "CIDR", value_delimiter = ',', requires = "send")]
    pub deny_networks: Vec<IpNet>,

    /// How it is shown.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: CheckOutput,
}

/// How a check is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
}
