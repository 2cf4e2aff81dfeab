//! The screens in README.md and docs/cli.md, compared with the program's output. Knows pages and shapes: a word with a digit
//! in it (a time, a port, a namespace) differs in each run. Must not know the content of a screen.

use tokensource_kit::shipped::repository;

const PAGES: [&str; 2] = ["README.md", "docs/cli.md"];

/// The words of each line. Words that differ from run to run are replaced by one word.
fn shape(screen: &str) -> Vec<String> {
    let word = |word: &str| {
        if word.contains(|letter: char| letter.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() }
    };
    let lines = screen.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

/// Checks that the pages show this screen under this command. The namespace's name is random, and rarely has no digit.
#[track_caller]
pub(crate) fn assert_shown(command: &str, screen: &str, namespace: &str) {
    let screen = &screen.replace(namespace, "namespace-0");
    let prompt = format!("$ {command}\n");
    let mut found = 0;
    for page in PAGES {
        let text = std::fs::read_to_string(repository().join(page)).expect("the page");
        for block in text.split("```\n").filter_map(|block| block.strip_prefix(&prompt)) {
            found += 1;
            assert_eq!(
                shape(block),
                shape(screen),
                "{page} shows another screen of `{command}` than\n{screen}"
            );
        }
    }
    assert!(found > 0, "no page shows `{command}`");
}
