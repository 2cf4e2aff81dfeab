//! The screens that README.md and docs/cli.md show, held to what the program shows.
//! Knows pages and shapes: a word with a digit in it (a time, a port, a namespace) is another one in each run. Must not
//! know what a screen says.

use tokensource_kit::shipped::repository;

const PAGES: [&str; 2] = ["README.md", "docs/cli.md"];

/// The words, line by line, those that differ from run to run as one.
fn shape(screen: &str) -> Vec<String> {
    let word = |word: &str| {
        if word.contains(|letter: char| letter.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() }
    };
    let lines = screen.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

/// That the pages show this screen under this command, wherever they show the command. The namespace's name is drawn by
/// lot, and seldom has no digit.
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
