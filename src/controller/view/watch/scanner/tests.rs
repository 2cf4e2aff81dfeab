//! Lists, watches and single answers, in pieces of any size.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The result of a text that arrives in pieces of this size.
fn scanned(shape: Shape, longest: usize, text: &str, piece: usize) -> (Vec<Item>, Scanner) {
    let mut scanner = Scanner::new(shape, longest);
    let mut items = Vec::new();
    for piece in text.as_bytes().chunks(piece) {
        scanner.feed(piece, |item| items.push(item));
    }
    (items, scanner)
}

fn value(item: &Item) -> Value {
    serde_json::from_slice(item.text.as_deref().unwrap()).unwrap()
}

fn nested(depth: usize) -> String {
    format!("{}0{}", "{\"f:a\":".repeat(depth), "}".repeat(depth))
}

#[test]
fn a_list_is_split_and_says_where_it_goes_on() {
    let text = json!({
        "kind": "SecretList", "metadata": {"resourceVersion": "7", "continue": "abc="},
        "items": [
            {"metadata": {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "3"}},
            {"metadata": {"name": "b"}, "spec": {"metadata": {"name": "not this"}, "items": [{"x": "]}"}]}},
        ],
    });
    for piece in [1, 2, 7, 4096] {
        let (items, scanner) = scanned(Shape::List, 4096, &text.to_string(), piece);
        assert_eq!(items.iter().map(value).collect::<Vec<_>>(), *text["items"].as_array().unwrap());
        assert_eq!(
            (scanner.of_list().next_page.as_str(), scanner.of_list().resource_version.as_str()),
            ("abc=", "7")
        );
        let captured = &items[0].captured;
        assert_eq!(
            [&captured.namespace, &captured.name, &captured.uid, &captured.resource_version],
            ["ns", "a", "u", "3"]
        );
        assert_eq!(items[1].captured.name, "b");
        assert!(scanner.is_complete());
    }
}

#[test]
fn a_list_that_breaks_off_is_incomplete() {
    let (items, scanner) = scanned(Shape::List, 4096, r#"{"items":[{"metadata":{}},{"metadata"#, 3);
    assert_eq!(items.len(), 1);
    assert!(!scanner.is_complete());
}

#[test]
fn each_event_of_a_watch_is_one_item() {
    let text = concat!(
        r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"5"},"type":"Opaque"}}"#,
        "\n",
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"6"}}}"#,
        "\n",
        r#"{"type":"ERROR","object":{"kind":"Status","code":410}}"#,
        "\n",
    );
    let (items, _) = scanned(Shape::Watch, 4096, text, 5);
    let events: Vec<_> = items.iter().map(|item| item.captured.event.as_str()).collect();
    assert_eq!(events, ["ADDED", "BOOKMARK", "ERROR"]);
    assert_eq!(items[1].captured.resource_version, "6");
    assert_eq!(value(&items[0])["type"], "Opaque");
    assert_eq!(value(&items[2]), json!({"kind": "Status", "code": 410}));
}

#[test]
fn fields_and_others_annotations_are_cut_out_at_any_depth_and_size() {
    let deep = nested(10_000);
    let metadata = format!(
        r#"{{"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{{\"data\":\"x\"}}","tokensource.dev/allowed-hosts":"h","team":"t"}},"managedFields":[{{"manager":"m","fieldsV1":{deep},"time":"x","operation":"Apply"}},{{"fieldsV1":{deep}}}],"name":"n"}}"#
    );
    let kept = |others: &str| {
        json!({
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "", "tokensource.dev/allowed-hosts": "h", "team": others},
            "managedFields": [{"manager": "m", "fieldsV1": null, "time": null, "operation": "Apply"}, {"fieldsV1": null}],
            "name": "n",
        })
    };
    let (items, _) = scanned(Shape::List, 1024, &format!(r#"{{"items":[{{"metadata":{metadata}}}]}}"#), 100);
    assert_eq!(value(&items[0])["metadata"], kept(""));
    let (items, _) = scanned(
        Shape::Watch,
        1024,
        &format!(r#"{{"type":"ADDED","object":{{"metadata":{metadata}}}}}"#),
        100,
    );
    assert_eq!(value(&items[0])["metadata"], kept(""));
    let (_, mut scanner) =
        scanned(Shape::Any, 0, &format!(r#"{{"metadata":{metadata},"data":{{"fieldsV1":"kept"}}}}"#), 100);
    let passed_on: Value = serde_json::from_slice(&scanner.passed_on()).unwrap();
    assert_eq!(passed_on, json!({"metadata": kept("t"), "data": {"fieldsV1": "kept"}}));
}

#[test]
fn an_object_over_the_bound_is_named_and_does_not_reach_the_next() {
    let large = "x".repeat(2000);
    let text = format!(
        r#"{{"items":[{{"metadata":{{"labels":{{"a":"{large}"}},"name":"large"}}}},{{"metadata":{{"name":"small"}}}}]}}"#
    );
    let (items, _) = scanned(Shape::List, 1000, &text, 64);
    assert_eq!((items[0].captured.name.as_str(), &items[0].text), ("large", &None));
    assert_eq!(value(&items[1]), json!({"metadata": {"name": "small"}}));
}

fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "metadata",
        "items",
        "object",
        "managedFields",
        "fieldsV1",
        "annotations",
        "name",
        "type",
        "a\"b",
        "ü\\",
        "time",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~äß\\n\"\\\\{}\\[\\],:]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..5).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// The expected result, computed from decoded values.
fn expected(mut object: Value, shape: Shape) -> Value {
    let Some(metadata) = object.get_mut("metadata") else { return object };
    if let Some(entries) = metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            for (name, value) in entry.iter_mut() {
                if name == "fieldsV1" || name == "time" {
                    *value = Value::Null;
                }
            }
        }
    }
    if shape != Shape::Any
        && let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut)
    {
        for (name, value) in annotations.iter_mut() {
            if !["metadata", "items", "object", "managedFields", "fieldsV1", "annotations", "type", "time"]
                .contains(&name.as_str())
            {
                *value = json!("");
            }
        }
    }
    object
}

proptest! {
    #[test]
    fn whatever_else_an_answer_holds_is_passed_on(object in any_json(), piece in 1_usize..40) {
        prop_assume!(object.get("items").is_none() && object.get("object").is_none());
        let (_, mut scanner) = scanned(Shape::Any, 0, &object.to_string(), piece);
        let passed_on: Value = serde_json::from_slice(&scanner.passed_on()).unwrap();
        prop_assert_eq!(passed_on, expected(object, Shape::Any));
        prop_assert!(scanner.is_complete());
    }

    #[test]
    fn the_objects_of_a_list_are_those_that_serde_finds(
        objects in prop::collection::vec(prop::collection::btree_map("[a-z]{1,4}|metadata", any_json(), 0..4), 0..5),
        piece in 1_usize..40,
    ) {
        let list = json!({"kind": "List", "items": objects, "metadata": {"resourceVersion": "1"}});
        let (items, scanner) = scanned(Shape::List, usize::MAX, &list.to_string(), piece);
        let found: Vec<_> = items.iter().map(value).collect();
        let wanted: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|object| expected(object.clone(), Shape::List)).collect();
        prop_assert_eq!(found, wanted);
        prop_assert_eq!(&scanner.of_list().resource_version, "1");
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), shape in 0_usize..3) {
        let shape = [Shape::Any, Shape::List, Shape::Watch][shape];
        let mut scanner = Scanner::new(shape, 50);
        scanner.feed(&bytes, |item| assert!(item.text.is_none_or(|text| text.len() <= 50)));
    }
}
