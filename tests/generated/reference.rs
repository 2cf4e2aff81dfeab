//! Tables of all fields and flags, from the CRDs and the command line of the program. Knows schemas and Markdown;
//! must not know the use of a field.

use std::fmt::Write as _;
use std::fs;

use clap::Args;
use serde_json::Value;
use tokensource::api::definitions;
use tokensource::runtime::ControllerArguments;

use crate::root;

/// A manifest of each kind that has an example.
const EXAMPLES: [(&str, &str); 2] = [
    ("TokenSource", "deploy/examples/ocrolus.yaml"),
    ("ClusterTokenProvider", "deploy/examples/provider.yaml"),
];

pub(crate) fn parts() -> Vec<(&'static str, String)> {
    let [source, provider, cluster_provider] =
        definitions().map(|definition| serde_json::to_value(definition).unwrap());
    vec![
        ("TokenSource", kind(&source, "TokenProvider", &provider)),
        ("TokenProvider", kind(&provider, "", &Value::Null)),
        ("ClusterTokenProvider", kind(&cluster_provider, "TokenProvider", &provider)),
        ("flags", flags()),
    ]
}

fn schema(definition: &Value) -> &Value {
    &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}

/// The section of a kind. Fields that `other` also has are left to its section.
fn kind(definition: &Value, other: &str, other_definition: &Value) -> String {
    let name = definition["spec"]["names"]["kind"].as_str().unwrap();
    let schema = schema(definition);
    let mut page = format!("{}\n", schema["description"].as_str().unwrap());
    if let Some((_, file)) = EXAMPLES.iter().find(|(kind, _)| *kind == name) {
        write!(page, "\nFrom [{file}](../{file}):\n\n```yaml\n{}\n```\n", example(file, name)).unwrap();
    }
    let known = &self::schema(other_definition)["properties"]["spec"]["properties"];
    let link = format!("[{other}](#{})", other.to_lowercase());
    for part in ["spec", "status"] {
        let field = &schema["properties"][part];
        if field["properties"].is_object() {
            write!(page, "\n### {name} {part}\n").unwrap();
            section(&mut page, &format!("{name} {part}"), field, known, &link);
        }
    }
    let columns: Vec<_> = definition["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|column| column["description"].is_string())
        .map(|column| {
            let wide = if column["priority"].is_number() { " (`-o wide`)" } else { "" };
            let header = column["name"].as_str().unwrap().to_uppercase();
            format!("| `{header}`{wide} | {} |\n", column["description"].as_str().unwrap())
        })
        .collect();
    if !columns.is_empty() {
        write!(page, "\n### {name} columns\n\n| column | meaning |\n|---|---|\n{}", columns.concat())
            .unwrap();
    }
    page.trim_end().to_owned() + "\n"
}

/// The document of this kind, without the file's opening comment.
fn example(file: &str, kind: &str) -> String {
    let text = fs::read_to_string(root().join(file)).unwrap();
    let document =
        text.split("---\n").find(|document| document.contains(&format!("\nkind: {kind}\n"))).unwrap();
    document.lines().skip_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// The fields of an object, then a section for each of them that is an object itself.
fn section(page: &mut String, title: &str, object: &Value, known: &Value, link: &str) {
    page.push('\n');
    for message in rules(object) {
        writeln!(page, "Rule: {message}.\n").unwrap();
    }
    page.push_str("| field | type | meaning |\n|---|---|---|\n");
    let required = &object["required"];
    let mut sections = Vec::new();
    let mut same = Vec::new();
    for (name, field) in object["properties"].as_object().unwrap() {
        if known[name] == *field {
            same.push(format!("`{name}`"));
        } else if known.is_object() && field["properties"] == *known {
            row(page, name, field, required, &format!(" The fields are those of the spec of {link}."));
        } else if field["properties"].is_object() {
            let title = format!("{title}: {name}");
            let anchor = title.to_lowercase().replace(' ', "-").replace(':', "");
            let mut brief = field.clone();
            brief["x-kubernetes-validations"] = Value::Null; // in its own section
            row(page, name, &brief, required, &format!(" Fields: [{name}](#{anchor})."));
            sections.push((title, field));
        } else {
            row(page, name, field, required, "");
            below(page, &format!("{name}[]"), &field["items"]);
        }
    }
    if !same.is_empty() {
        write!(page, "\nThe other fields are those of {link}: {}.\n", same.join(", ")).unwrap();
    }
    for (title, field) in sections {
        write!(page, "\n#### {title}\n\n{}\n", sentence(field)).unwrap();
        page.push_str("\n| field | type | meaning |\n|---|---|---|\n");
        for (name, inner) in field["properties"].as_object().unwrap() {
            row(page, name, inner, &field["required"], "");
            below(page, name, inner);
            below(page, &format!("{name}[]"), &inner["items"]);
        }
        for message in rules(field) {
            write!(page, "\nRule: {message}.\n").unwrap();
        }
    }
}

/// The rows of an object within another object, except Kubernetes' own conditions.
fn below(page: &mut String, path: &str, object: &Value) {
    for (name, field) in
        object["properties"].as_object().filter(|_| path != "conditions[]").into_iter().flatten()
    {
        let path = format!("{path}.{name}");
        row(page, &path, field, &object["required"], "");
        below(page, &path, field);
    }
}

fn row(page: &mut String, path: &str, field: &Value, required: &Value, more: &str) {
    let name = path.rsplit('.').next().unwrap();
    let is_required = required.as_array().into_iter().flatten().any(|required| required == name);
    let all = [field, &field["items"], &field["additionalProperties"]];
    let rules = all.into_iter().flat_map(rules).map(|message| format!("Rule: {message}."));
    let meaning: Vec<_> =
        [sentence(field) + more].into_iter().filter(|text| !text.is_empty()).chain(rules).collect();
    let meaning = meaning.join("<br>").replace('|', "\\|");
    let required = if is_required { ", required" } else { "" };
    writeln!(page, "| `{path}` | {}{required} | {meaning} |", type_of(field)).unwrap();
}

fn sentence(field: &Value) -> String {
    field["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn rules(schema: &Value) -> Vec<String> {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    rules
        .map(|rule| rule["message"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

/// Describes the type of a field in words, with its bounds.
fn type_of(field: &Value) -> String {
    if let Some(values) = field["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    let name = match field["type"].as_str().unwrap_or("any") {
        "array" => format!("list: {}", type_of(&field["items"])),
        "object" if field["additionalProperties"].is_object() => {
            format!("map: {}", type_of(&field["additionalProperties"]))
        }
        "string" if field["format"] == "date-time" => "time".to_owned(),
        name => name.to_owned(),
    };
    let bounds = [
        ("minLength", "maxLength", " characters"),
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ];
    bounds.iter().fold(name, |name, (least, most, unit)| {
        match (field[*least].as_f64(), field[*most].as_f64()) {
            (Some(least), Some(most)) => format!("{name}, {least} to {most}{unit}"),
            (None, Some(most)) => format!("{name}, at most {most}{unit}"),
            (Some(least), None) => format!("{name}, at least {least}{unit}"),
            (None, None) => name,
        }
    })
}

/// The controller's flags, each with its environment variable.
fn flags() -> String {
    let command = ControllerArguments::augment_args(clap::Command::new("controller"));
    let mut table = String::from("| flag | environment variable | default | meaning |\n|---|---|---|---|\n");
    for flag in command.get_arguments().filter(|flag| !flag.is_hide_set()) {
        let value = flag.get_action().takes_values().then(|| flag.get_value_names()).flatten();
        let value: String = value.into_iter().flatten().flat_map(|name| [" ", name.as_str()]).collect();
        let default: Vec<_> = flag.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        let default = if default.is_empty() || value.is_empty() {
            String::new()
        } else {
            format!("`{}`", default.join(","))
        };
        writeln!(
            table,
            "| `--{}{value}` | `{}` | {default} | {} |",
            flag.get_long().unwrap(),
            flag.get_env().and_then(|name| name.to_str()).unwrap_or_default(),
            flag.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|"),
        )
        .unwrap();
    }
    table
}
