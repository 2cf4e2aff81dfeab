//! The pages of the five documented providers (`docs/providers`): each shows the tested manifest, its request, and existing
//! reasons. `stories::examples` runs the commands on these pages. Knows the structure of a page; must not know its content.

use std::fs;

use tokensource::api::Reason;

use crate::example::root;

const PAGES: [&str; 5] = ["apiax", "ocrolus", "pliant", "prisjakt", "v2"];

const HEADINGS: [&str; 5] =
    ["What its document", "Manifest", "Over a token's life", "When it goes wrong", "Limits"];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The contents of all blocks with this opening.
fn blocks<'a>(page: &'a str, opening: &str) -> Vec<&'a str> {
    let opening = format!("\n{opening}\n");
    page.split(&opening).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn each_page_shows_the_manifest_as_it_is_tested() {
    for name in PAGES {
        let manifest = read(&format!("deploy/examples/{name}.yaml"));
        // The page does not show the opening comment, because the page explains the same in more detail.
        let shown: String = manifest.split_inclusive('\n').skip_while(|line| line.starts_with('#')).collect();
        assert_eq!(blocks(&read(&format!("docs/providers/{name}.md")), "```yaml"), [shown.trim_end()]);
    }
}

#[test]
fn each_page_shows_the_request_that_is_sent() {
    for name in PAGES {
        let output = read(&format!("tests/golden/check/example-{name}.txt"));
        let requests = output.split("  Request\n").skip(1).map(|part| {
            let (request, _) = part.split_once("\n\n  Renewal").unwrap();
            let lines: Vec<_> =
                request.lines().map(|line| line.strip_prefix("    ").unwrap_or(line)).collect();
            lines.join("\n").replace("VERSION", "…")
        });
        let page = read(&format!("docs/providers/{name}.md"));
        let shown: Vec<_> =
            blocks(&page, "```").into_iter().filter(|block| block.contains("POST ")).collect();
        assert_eq!(shown, requests.collect::<Vec<_>>(), "docs/providers/{name}.md");
    }
}

#[test]
fn each_page_has_the_same_parts_and_names_reasons_that_exist() {
    for name in PAGES {
        let page = read(&format!("docs/providers/{name}.md"));
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings.len(), HEADINGS.len(), "{name}: {headings:?}");
        for (found, wanted) in headings.iter().zip(HEADINGS) {
            assert!(found.starts_with(wanted), "{name}: {found}");
        }
        let (_, wrong) = page.split_once("## When it goes wrong").unwrap();
        let rows: Vec<_> = wrong.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(rows.len() >= 4, "{name}: {rows:?}");
        for row in rows {
            let (reasons, _) = row.trim_start_matches("| ").split_once(" |").unwrap();
            for word in reasons.split(", ") {
                assert!(
                    Reason::named(word.trim_matches('`')).is_some(),
                    "{name}: no reason is called {word}"
                );
            }
        }
        let catalogue = read("docs/providers.md");
        assert_eq!(catalogue.matches(&format!("](providers/{name}.md)")).count(), 1, "docs/providers.md");
    }
}
