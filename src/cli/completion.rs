//! Command-line completion for kubectl. kubectl runs `kubectl_complete-NAME` with the words after a plugin's name, the last
//! of which is incomplete, and reads one candidate per line and a directive for the shell at the end.
//! Pure. Knows the declared command line but no cluster, so it does not complete names of objects.

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

/// Whether kubectl called the program for completions.
pub(super) fn is_completion_request(called: Option<&OsStr>) -> bool {
    called.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == NAME)
}

/// The output for kubectl.
pub(super) fn completions(definition: &Command, words: &[String]) -> String {
    let mut definition = definition.clone().bin_name("kubectl tokensource");
    definition.build();
    let Some((current, before)) = words.split_last() else { return output(&[], Directive::NoFiles) };
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
        return output(&lines, Directive::NoFiles);
    }
    command
        .get_positionals()
        .next()
        .map_or_else(|| output(&[], Directive::NoFiles), |arg| values(arg, "", current))
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

fn values(arg: &Arg, start: &str, current: &str) -> String {
    let known = arg.get_possible_values();
    let lines: Vec<_> = known
        .iter()
        .filter(|value| value.get_name().starts_with(current))
        .filter_map(|value| line(&format!("{start}{}", value.get_name()), value.get_help(), ""))
        .collect();
    let is_file = matches!(arg.get_value_hint(), ValueHint::AnyPath | ValueHint::FilePath);
    output(&lines, if is_file { Directive::Default } else { Directive::NoFiles })
}

fn flags(command: &Command, current: &str) -> String {
    let named = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let lines: Vec<_> =
        named.filter_map(|arg| line(&format!("--{}", arg.get_long()?), arg.get_help(), current)).collect();
    output(&lines, Directive::NoFiles)
}

/// A candidate with the first line of its description, if it begins with the incomplete word.
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
        let answer = completions(&definition, &words);
        let mut lines: Vec<_> =
            answer.lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
        let directive = lines.pop().unwrap();
        (lines, directive)
    }

    #[test]
    fn candidates_match_the_words_before_the_cursor() {
        let cases: [(&[&str], &[&str], &str); 9] = [
            (&["st"], &["status"], ":4"),
            (&["status", "--all"], &["--all-namespaces"], ":4"),
            (&["status", "-n", "payments", "-o", ""], &["table", "json"], ":4"),
            (&["status", "--output=j"], &["--output=json"], ":4"),
            // The value of an option is not read as a subcommand.
            (&["status", "--selector", "renew", "--wat"], &["--watch"], ":4"),
            (&["completion", "z"], &["zsh"], ":4"),
            // The shell completes file names; names of objects are not completed.
            (&["check", "-f", "man"], &[], ":0"),
            (&["renew", ""], &[], ":4"),
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
            let answer = completions(&definition, &words);
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
