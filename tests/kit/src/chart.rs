//! The values of the chart, in the order of `values.yaml`, with their defaults and comments.
//! Knows how that file is written: one key for each line, with its comment above it. Must not know what a value does.

use std::fs;
use std::path::PathBuf;

use crate::shipped::repository;

/// A key of `values.yaml`.
#[derive(Debug)]
pub struct ChartValue {
    /// The path of the value, for example `image.tag`.
    pub path: String,
    /// The default as YAML; None for a key with further keys below it.
    pub default: Option<String>,
    /// The comment, joined to a single line; empty if the value has no comment.
    pub comment: String,
}

/// The directory of the chart.
pub fn directory() -> PathBuf {
    repository().join("deploy/helm/tokensource")
}

/// All keys, each before those below it.
pub fn values() -> Vec<ChartValue> {
    let text = fs::read_to_string(directory().join("values.yaml")).expect("the values of the chart");
    let mut values = Vec::new();
    let mut above: Vec<&str> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines() {
        let content = line.trim_start();
        if let Some(words) = content.strip_prefix('#') {
            comment.push(words.trim());
        } else if let Some((key, default)) = content.split_once(':') {
            above.truncate((line.len() - content.len()) / 2);
            above.push(key);
            let default = Some(default.trim()).filter(|default| !default.is_empty()).map(str::to_owned);
            values.push(ChartValue { path: above.join("."), default, comment: comment.join(" ") });
            comment.clear();
        } else {
            assert!(content.is_empty(), "values.yaml has a value on a line without its key: {line}");
            comment.clear();
        }
    }
    values
}

/// The values themselves, which have no other values below them.
pub fn leaves() -> Vec<ChartValue> {
    let mut values = values();
    values.retain(|value| value.default.is_some());
    values
}
