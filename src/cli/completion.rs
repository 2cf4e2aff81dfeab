//! Command-line completion for kubectl. kubectl runs `kubectl_complete-NAME` with the words after a plugin's name, the last
//! of which is incomplete, and reads one candidate per line and a directive for the shell at the end.
//! Pure. Knows the declared command line; [`names`] reads names from the cluster.

pub(super) mod names;

use std::ffi::OsStr;
use std::path::Path;

use clap::{Arg, Command, ValueHint};

/// The name by which kubectl calls the program for completions.
const NAME: &str = "kubectl_complete-tokensource";

/// The shell's treatment of the candidates (cobra's `ShellCompDirective`).
#[derive(Clone, Copy)]
enum Directive {
    /// Complete file names if there are no candidates.
    Default = 0,
    /// Complete nothing but the candidates.
    NoFiles = 4,
}

/// The words that completion offers.
#[derive(Debug, PartialEq)]
pub(super) enum Offer {
    /// The output for kubectl.
    Text(String),
    /// Names of the cluster or of the kubeconfig: the text before a name (`--namespace=`), and the beginning of the name.
    Names(Kind, String, String),
}

/// A TokenSource, a namespace, or a context of the kubeconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Source,
    Namespace,
    Context,
}

impl Kind {
    /// The kind that the value of an argument names, by the argument's id.
    fn of(arg: &Arg) -> Option<Self> {
        match arg.get_id().as_str() {
            "names" => Some(Kind::Source),
            "namespace" | "controller_namespace" => Some(Kind::Namespace),
            "context" => Some(Kind::Context),
            _ => None,
        }
    }
}

/// Whether kubectl called the program for completions.
pub(super) fn is_completion_request(called: Option<&OsStr>) -> bool {
    called.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == NAME)
}

/// The completions of the last of these words.
pub(super) fn completions(definition: &Command, words: &[String]) -> Offer {
    let mut definition = definition.clone().bin_name("kubectl tokensource");
    definition.build();
    let Some((current, before)) = words.split_last() else { return offer(&[], Directive::NoFiles) };
    let mut command = &definition;
    let mut pending = None;
    for word in before {
        if pending.take().is_some() {
            continue;
        }
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None => pending = option(command, word),
        }
    }
    if let Some(option) = pending {
        return values(option, "", current);
    }
    if let Some((flag, value)) = current.split_once('=')
        && let Some(option) = option(command, flag)
    {
        return values(option, &format!("{flag}="), value);
    }
    if current.starts_with('-') {
        return flags(command, current);
    }
    if command.has_subcommands() {
        let subcommands = command.get_subcommands().filter(|found| !found.is_hide_set());
        let described = subcommands.map(|found| (found.get_name().to_owned(), found.get_about()));
        let lines: Vec<_> = described.filter_map(|(name, about)| line(&name, about, current)).collect();
        return offer(&lines, Directive::NoFiles);
    }
    command
        .get_positionals()
        .next()
        .map_or_else(|| offer(&[], Directive::NoFiles), |arg| values(arg, "", current))
}

/// The option with this spelling, if it takes a value.
fn option<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short =
        word.strip_prefix('-').filter(|rest| rest.chars().count() == 1).and_then(|rest| rest.chars().next());
    command.get_arguments().find(|arg| {
        let called =
            (long.is_some() && arg.get_long() == long) || (short.is_some() && arg.get_short() == short);
        called && arg.get_action().takes_values()
    })
}

fn values(arg: &Arg, start: &str, current: &str) -> Offer {
    if let Some(kind) = Kind::of(arg) {
        return Offer::Names(kind, start.to_owned(), current.to_owned());
    }
    let known = arg.get_possible_values();
    let lines: Vec<_> = known
        .iter()
        .filter(|value| value.get_name().starts_with(current))
        .filter_map(|value| line(&format!("{start}{}", value.get_name()), value.get_help(), ""))
        .collect();
    let is_file = matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath);
    offer(&lines, if is_file { Directive::Default } else { Directive::NoFiles })
}

fn flags(command: &Command, current: &str) -> Offer {
    let named = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let lines: Vec<_> =
        named.filter_map(|arg| line(&format!("--{}", arg.get_long()?), arg.get_help(), current)).collect();
    offer(&lines, Directive::NoFiles)
}

fn offer(lines: &[String], directive: Directive) -> Offer {
    Offer::Text(output(lines, directive))
}

/// A candidate with the first line of its description; None if the candidate does not begin with the incomplete word.
fn line(candidate: &str, about: Option<&clap::builder::StyledStr>, current: &str) -> Option<String> {
    let about = about.map(ToString::to_string).unwrap_or_default();
    let about = about.lines().next().unwrap_or_default();
    candidate.starts_with(current).then(|| format!("{candidate}\t{about}"))
}

fn output(lines: &[String], directive: Directive) -> String {
    let directive = format!(":{}\n", directive as u8);
    [lines, &[directive]].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Subcommand;

    use super::*;

    /// The candidates and the directive after these words.
    fn offered(words: &[&str]) -> (Vec<String>, String) {
        let definition = crate::cli::Command::augment_subcommands(Command::new("tokensource"));
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let answer = match completions(&definition, &words) {
            Offer::Text(text) => text,
            Offer::Names(kind, start, current) => format!("{kind:?} {start}{current}\n:4"),
        };
        let mut lines: Vec<_> =
            answer.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
        let directive = lines.pop().unwrap();
        (lines, directive)
    }

    #[test]
    fn candidates_match_the_words_before_the_cursor() {
        let cases: [(&[&str], &[&str], &str); 14] = [
            (&["st"], &["status"], ":4"),
            (&["status", "--all"], &["--all-namespaces"], ":4"),
            (&["status", "-n", "payments", "-o", ""], &["table", "wide", "json", "yaml", "name"], ":4"),
            (&["status", "--output=j"], &["--output=json"], ":4"),
            // The value of an option is not read as a subcommand.
            (&["status", "--selector", "renew", "--wat"], &["--watch"], ":4"),
            (&["completion", "z"], &["zsh"], ":4"),
            (&["renew", "first", "se"], &["Source se"], ":4"),
            (&["status", "-n", ""], &["Namespace "], ":4"),
            (&["status", "--namespace=pay"], &["Namespace --namespace=pay"], ":4"),
            (&["doctor", "--controller-namespace", "t"], &["Namespace t"], ":4"),
            (&["status", "--context", "prod"], &["Context prod"], ":4"),
            // The shell completes file names.
            (&["check", "-f", "man"], &[], ":0"),
            (&["crd", ""], &[], ":4"),
            (&[], &[], ":4"),
        ];
        for (words, expected, directive) in cases {
            let (lines, found) = offered(words);
            assert_eq!(
                (lines, found.as_str()),
                (expected.iter().map(ToString::to_string).collect(), directive),
                "{words:?}"
            );
        }
    }

    #[test]
    fn every_candidate_has_a_description() {
        let definition = crate::cli::Command::augment_subcommands(Command::new("tokensource"));
        for words in [vec![String::new()], vec!["status".to_owned(), "-".to_owned()]] {
            let Offer::Text(answer) = completions(&definition, &words) else { panic!("{words:?}") };
            let (lines, _) = answer.rsplit_once(":4").unwrap();
            assert!(lines.lines().count() >= 6, "{lines}");
            for line in lines.lines() {
                assert!(line.split_once('\t').is_some_and(|(_, about)| about.len() > 5), "{line}");
            }
        }
    }

    #[test]
    fn completions_are_requested_by_one_program_name() {
        assert!(is_completion_request(Some(OsStr::new("/usr/bin/kubectl_complete-tokensource"))));
        assert!(!is_completion_request(Some(OsStr::new("/usr/bin/kubectl-tokensource"))));
        assert!(!is_completion_request(None));
    }
}
