//! The flags that every command with a cluster has, with kubectl's names and meanings.
//! Must not know what a command does.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::api::Duration;

/// The cluster, the namespace in it, and the user.
#[derive(Clone, Debug, Args)]
pub struct ClusterArguments {
    /// The namespace. Default: the namespace of the context.
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,

    /// The context of the kubeconfig. Default: the current context.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// The kubeconfig. Default: the files in the variable KUBECONFIG, or else ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Act as this user, which needs the right to impersonate; of a ServiceAccount: system:serviceaccount:NS:NAME.
    #[arg(long = "as", value_name = "USER")]
    pub as_user: Option<String>,

    /// Act as a member of this group; may be repeated.
    #[arg(long = "as-group", value_name = "GROUP", requires = "as_user")]
    pub as_groups: Vec<String>,

    /// How long to wait for one answer of the API server, e.g. 30s; 0 waits without end.
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = request_timeout)]
    pub request_timeout: Duration,
}

/// TokenSources that a command changes: by name, by label, or all.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["names", "all", "selector", "all_namespaces"]))]
pub struct ObjectArguments {
    /// The names of TokenSources.
    #[arg(value_name = "NAME", conflicts_with_all = ["all", "selector", "all_namespaces"])]
    pub names: Vec<String>,

    /// All TokenSources of the namespace.
    #[arg(long, conflicts_with = "selector")]
    pub all: bool,

    /// The TokenSources with these labels, e.g. team=payments,slice!=2.
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<String>,

    /// The TokenSources of all namespaces; with -l only those with the labels.
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
}

impl ObjectArguments {
    /// How the output names an object: with its namespace if there may be several.
    pub(in crate::cli) fn label(&self, (namespace, name): &(String, String)) -> String {
        if self.all_namespaces { format!("{namespace}/{name}") } else { name.clone() }
    }
}

/// Reads a duration as kubectl does: a number without a unit counts seconds.
fn request_timeout(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => text.parse().map_err(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Both {
        #[command(flatten)]
        objects: ObjectArguments,
        #[command(flatten)]
        cluster: ClusterArguments,
    }

    #[test]
    fn flags_are_read_as_kubectl_reads_them() {
        for (line, good) in [
            ("a b", true),
            ("--all", true),
            ("-A", true),
            ("-A --all", true),
            ("-A -l a=b", true),
            ("-l a=b -n team", true),
            ("", false),
            ("a --all", false),
            ("a -l b=c", false),
            ("a -A", false),
            ("-A -n team", false),
            ("--all -l a=b", false),
            ("a --as eve --as-group one --as-group two", true),
            ("a --as-group one", false),
            ("a --request-timeout 0", true),
            ("a --request-timeout 1m30s", true),
            ("a --request-timeout soon", false),
        ] {
            let words = ["x"].into_iter().chain(line.split_whitespace());
            assert_eq!(Both::try_parse_from(words).is_ok(), good, "{line}");
        }
    }

    #[test]
    fn timeout_without_unit_counts_seconds() {
        let timeout = |line: &str| {
            Both::try_parse_from(line.split_whitespace()).unwrap().cluster.request_timeout.get().as_secs()
        };
        assert_eq!(timeout("x a --request-timeout 7"), 7);
        assert_eq!(timeout("x a --request-timeout=2m"), 120);
        assert_eq!(timeout("x a"), 15);
    }
}
