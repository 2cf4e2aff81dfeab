//! What may come next on the command line, for kubectl: it runs `kubectl_complete-NAME` with the words after a plugin's
//! name, the last of which is being typed, and reads a line for each candidate and at the end what the shell is to do.
//! Pure. Knows the declared command line; must not know a cluster, so names of objects are not offered.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Arg, Command, ValueHint};

/// The name that kubectl looks for beside the plugin.
const NAME: &str = "kubectl_complete-tokensource";

/// What the shell is to do with the candidates (cobra's `ShellCompDirective`).
#[derive(Clone, Copy)]
enum Directive {
    /// File names will do where there are none.
    Default = 0,
    /// Nothing but the candidates will do.
    NoFiles = 4,
}

/// Whether the program was called by the name that kubectl looks for.
pub(super) fn is_asked_for_completions(called: Option<&OsStr>) -> bool {
    called.and_then(|path| Path::new(path).file_name()).is_some_and(|name| name == NAME)
}

/// The answer to kubectl.
pub(super) fn completions(definition: &Command, words: &[String]) -> String {
    let mut definition = definition.clone().bin_name("kubectl tokensource");
    definition.build();
    let Some((current, before)) = words.split_last() else { return answer(&[], Directive::NoFiles) };
    let mut command = &definition;
    let mut awaiting = None;
    for word in before {
        if awaiting.take().is_some() {
            continue;
        }
        match command.find_subcommand(word) {
            Some(found) => command = found,
            None => awaiting = option(command, word),
        }
    }
    if let Some(option) = awaiting {
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
        return answer(&lines, Directive::NoFiles);
    }
    command
        .get_positionals()
        .next()
        .map_or_else(|| answer(&[], Directive::NoFiles), |arg| values(arg, "", current))
}

/// The option of this spelling that a value must follow.
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
    answer(&lines, if is_file { Directive::Default } else { Directive::NoFiles })
}

fn flags(command: &Command, current: &str) -> String {
    let named = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let lines: Vec<_> =
        named.filter_map(|arg| line(&format!("--{}", arg.get_long()?), arg.get_help(), current)).collect();
    answer(&lines, Directive::NoFiles)
}

/// A candidate with the first line of its description, if it begins as what is typed.
fn line(candidate: &str, about: Option<&clap::builder::StyledStr>, current: &str) -> Option<String> {
    let about = about.map(ToString::to_string).unwrap_or_default();
    let about = about.lines().next().unwrap_or_default();
    candidate.starts_with(current).then(|| format!("{candidate}\t{about}"))
}

fn answer(lines: &[String], directive: Directive) -> String {
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
    fn what_may_follow_is_offered() {
        let cases: [(&[&str], &[&str], &str); 9] = [
            (&["st"], &["status"], ":4"),
            (&["status", "--all"], &["--all-namespaces"], ":4"),
            (&["status", "-n", "payments", "-o", ""], &["table", "json"], ":4"),
            (&["status", "--output=j"], &["--output=json"], ":4"),
            // A value that is called like a subcommand is none.
            (&["status", "--selector", "renew", "--wat"], &["--watch"], ":4"),
            (&["completion", "z"], &["zsh"], ":4"),
            // Files are the shell's business; names of objects are nobody's here.
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
    fn everything_has_a_description() {
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
    fn only_one_name_asks_for_it() {
        assert!(is_asked_for_completions(Some(OsStr::new("/usr/bin/kubectl_complete-tokensource"))));
        assert!(!is_asked_for_completions(Some(OsStr::new("/usr/bin/kubectl-tokensource"))));
        assert!(!is_asked_for_completions(None));
    }
}
