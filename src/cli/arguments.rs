//! The subcommands for people and their flags, with the texts of `--help` and of the manual.

mod cluster;
mod doctor;
mod network;

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::api::Duration;
use crate::oauth::Secret;

pub(super) use cluster::{ClusterArguments, ObjectArguments};
pub(super) use doctor::{DoctorArguments, ReportOutput};
pub(super) use network::NetworkArguments;

/// The last line of the help texts, except those of `controller`, `crd`, `completion` and `man`.
pub const EXIT_CODES: &str = "Exit codes: 0 success, 1 failure, 2 wrong command line.";

/// The subcommands for people.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the state of all tokens in a table, or all details of one.
    ///
    /// READY says whether the token in the Secret is valid; REASON says how the last attempt to get a token ended. With one
    /// NAME, the output has the conditions with their messages, what to do about them, and the Events.
    #[command(after_help = EXIT_CODES)]
    Status(StatusArguments),

    /// Request new tokens now, and wait for them.
    ///
    /// Sets the annotation tokensource.dev/renew-requested-at and waits until the controller has handled it. The controller
    /// handles at most one such annotation a minute for each TokenSource. Fails if a token could not be renewed, and prints
    /// the reason.
    #[command(after_help = EXIT_CODES)]
    Renew(RenewArguments),

    /// Suspend TokenSources: their tokens are not renewed until they are resumed.
    ///
    /// Sets spec.suspend. The token in the Secret stays, and expires at its usual time. If a tool such as Argo CD or Flux
    /// applies the TokenSource, the tool may reset the field: change spec.suspend in the manifest that the tool applies
    /// instead.
    #[command(after_help = EXIT_CODES)]
    Suspend(SuspendArguments),

    /// Resume suspended TokenSources.
    ///
    /// Removes spec.suspend. A token that is due is requested immediately.
    #[command(after_help = EXIT_CODES)]
    Resume(SuspendArguments),

    /// Check the installation: CRDs, versions, rights, leader, clock, providers' hosts, admission policy, tokens.
    ///
    /// Each check ends as ok, warning, failure or "not checked". The output says what to do about warnings and failures. No
    /// Secret is read. The command contacts the providers' hosts from this machine only (name resolution and a TLS
    /// handshake; no request is sent), and compares the results with the controller's reports. The exit code is 1 if there
    /// is a failure; warnings do not count.
    #[command(after_help = EXIT_CODES)]
    Doctor(DoctorArguments),

    /// Check manifests without a cluster, and show the request.
    ///
    /// Applies the controller's own rules, and shows the request with masked secrets and the time of the next renewal. Needs
    /// the objects that a TokenSource names: the provider, the Secrets, the ConfigMap of tls.caBundleRef, the TokenSource of
    /// a tokenSourceRef. With --send, the request is sent to the provider, once; the token is neither shown nor stored.
    #[command(after_help = EXIT_CODES)]
    Check(CheckArguments),

    /// Write manifests from the curl line of a provider's documentation.
    ///
    /// Prints a TokenSource for the token request that the line makes, and Secrets with placeholders. Values that look like
    /// secrets are not printed; check that none is left. Comments in the output say what is left to do. Runs and sends
    /// nothing. With --from-curl - the line is read from standard input, so that the shell's history keeps no secret.
    #[command(after_help = EXIT_CODES)]
    Init(InitArguments),

    /// Print the CustomResourceDefinitions as YAML, for kubectl apply -f -.
    Crd,

    /// Print the versions of this program, the API server and the controller.
    #[command(after_help = EXIT_CODES)]
    Version(VersionArguments),

    /// Print the completion script for a shell.
    ///
    /// For bash: source <(tokensource completion bash)
    Completion {
        /// The shell.
        shell: Shell,
    },

    /// Print the manual, for man -l -.
    Man,
}

/// `tokensource status`
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Show only these TokenSources; with one name, all details.
    #[arg(value_name = "NAME", conflicts_with_all = ["all_namespaces", "selector"])]
    pub names: Vec<String>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,

    /// Show TokenSources of all namespaces.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Show only TokenSources with these labels, e.g. team=payments,slice!=2.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// Show only TokenSources whose Secret has no valid token now.
    #[arg(long, conflicts_with_all = ["names", "watch"])]
    pub not_ready: bool,

    /// Keep showing changes: on a terminal the table is redrawn, otherwise each change is a line.
    #[arg(short, long)]
    pub watch: bool,

    /// The output format.
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: StatusOutput,
}

/// The output format of `tokensource status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatusOutput {
    /// For people.
    Table,
    /// For people, with more columns.
    Wide,
    /// For programs: a list of objects; with one NAME one object; with --watch one object per line.
    Json,
    /// Like json, but in YAML.
    Yaml,
    /// Kind and name alone, for other commands: tokensource.tokensource.dev/NAME.
    Name,
}

/// `tokensource renew`
#[derive(Debug, Args)]
pub struct RenewArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub objects: ObjectArguments,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,

    /// How long to wait.
    #[arg(long, value_name = "TIME", default_value = "2m")]
    pub timeout: Duration,
}

/// `tokensource suspend` and `tokensource resume`
#[derive(Debug, Args)]
pub struct SuspendArguments {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub objects: ObjectArguments,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,
}

/// `tokensource version`
#[derive(Debug, Args)]
pub struct VersionArguments {
    /// Print the version of this program only, and contact no cluster.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          default_value_t = false, action = clap::ArgAction::Set)]
    pub client: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub cluster: ClusterArguments,

    /// The output format.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: ReportOutput,
}

/// `tokensource check`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("sending").multiple(true).args(NetworkArguments::NAMES).requires("send"))]
pub struct CheckArguments {
    /// A file with manifests in YAML or JSON; - is the standard input. May be repeated.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// Send the request to the provider, once for each TokenSource.
    #[arg(long)]
    pub send: bool,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub network: NetworkArguments,

    /// The output format.
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: CheckOutput,
}

/// `tokensource init`
#[derive(Debug, Args)]
pub struct InitArguments {
    /// The curl line, in quotes; - reads it from standard input.
    #[arg(long, value_name = "LINE", required = true, allow_hyphen_values = true)]
    pub from_curl: CurlLine,

    /// The name of the TokenSource. Default: a part of the host.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// The namespace to write into the manifests. Default: none.
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,

    /// The file to write, which must not exist. Default: the standard output.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// The words of a curl command without quotation marks around it. Reading these words here keeps clap from printing one
    /// of them in an error.
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub unquoted: Vec<CurlLine>,
}

/// A curl line, which may hold secrets and is therefore not shown.
#[derive(Clone)]
pub struct CurlLine(pub Secret);

impl FromStr for CurlLine {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Secret::new(text.to_owned())))
    }
}

impl fmt::Debug for CurlLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CurlLine(********)")
    }
}

/// The output format of `tokensource check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
}
