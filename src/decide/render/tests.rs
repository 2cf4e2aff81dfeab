//! Templates: each documented one is valid for the program that reads it, and no template can do harm.

mod fuzz;
mod limits;

use super::*;
use crate::api::{LongText, TokenSource};
use crate::decide::fixture::at;

/// Characters that are special in one of the formats.
const AWKWARD: &str = r#"ca'n"ary\/+=%&#@: $`;x"#;

fn token(access: &str) -> Token {
    Token {
        access_token: Secret::new(access.to_owned()),
        token_type: "Bearer".to_owned(),
        scope: None,
        refresh_token: Some(Secret::new("canary-refresh".to_owned())),
        kept: BTreeMap::new(),
        issued_at: at(0),
        expires_at: at(3600),
        declared_zero: false,
        notices: BTreeSet::new(),
    }
}

fn target(template: &str) -> Target {
    Target { data: [("file".to_owned(), LongText(template.to_owned()))].into(), ..Target::default() }
}

fn text(data: &Data, key: &str) -> String {
    String::from_utf8(data[key].0.clone()).unwrap()
}

/// The output of an example of the documentation with this token.
fn example(name: &str, access: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/templates.yaml");
    let sources: Vec<TokenSource> =
        serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap();
    let wanted = format!("template-{name}");
    let source = sources
        .into_iter()
        .find(|source| source.metadata.name.as_ref() == Some(&wanted))
        .expect("the example");
    let data =
        render(&source.spec.target, &token(access)).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    let page = include_str!("../../../docs/templates.md");
    for (key, template) in &source.spec.target.data {
        check(&source.spec.target, &BTreeMap::new()).unwrap();
        for line in template.0.lines() {
            assert!(page.contains(line), "docs/templates.md lacks {key}: {line}");
        }
    }
    assert_eq!(data.len(), 1);
    text(&data, data.keys().next().unwrap())
}

#[test]
fn the_default_keys_and_nothing_else() {
    let data = render(&Target::default(), &token("opaque+/=")).unwrap();
    assert_eq!(data.keys().collect::<Vec<_>>(), ["access_token", "expires_at", "token_type"]);
    assert_eq!(text(&data, "access_token"), "opaque+/=");
    assert_eq!(text(&data, "expires_at"), "2026-01-01T01:00:00Z");
}

#[test]
fn lines_of_header_netrc_and_npmrc() {
    assert_eq!(example("header", "a.b-c"), "Authorization: Bearer a.b-c\n");
    let netrc = example("netrc", "a.b-c");
    let words: Vec<_> = netrc.split_whitespace().collect();
    assert_eq!(words, ["machine", "git.example.com", "login", "oauth2", "password", "a.b-c"]);
    assert!(example("npm", "a.b-c").contains("\n//npm.example.com/:_authToken=a.b-c\n"));
}

#[test]
fn docker_reads_the_pair_it_expects() {
    use base64::Engine as _;
    let config: serde_json::Value = serde_json::from_str(&example("docker", AWKWARD)).unwrap();
    let auth = config["auths"]["registry.example.com"]["auth"].as_str().unwrap();
    let pair = base64::engine::general_purpose::STANDARD.decode(auth).unwrap();
    assert_eq!(String::from_utf8(pair).unwrap(), format!("oauth2:{AWKWARD}"));
}

#[test]
fn pip_reads_the_password_it_expects() {
    let config = example("pip", AWKWARD);
    let url = config.lines().find_map(|line| line.strip_prefix("index-url = ")).unwrap();
    // pip takes the text as it is: a % is not doubled.
    let url = url::Url::parse(url).unwrap();
    assert_eq!((url.host_str(), url.path()), (Some("pypi.example.com"), "/simple"));
    let decoded: Vec<_> = form_urlencoded::parse(url.password().unwrap().as_bytes()).collect();
    assert_eq!(decoded[0].0, AWKWARD);
}

#[test]
fn a_shell_reads_the_token_and_runs_nothing() {
    let script = format!("{}printf %s \"$ACCESS_TOKEN\"", example("env", AWKWARD));
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), AWKWARD);
}

#[test]
fn json_has_every_variable() {
    let read: serde_json::Value = serde_json::from_str(&example("json", AWKWARD)).unwrap();
    let expected = serde_json::json!({
        "access_token": AWKWARD, "token_type": "Bearer", "scopes": [],
        "issued_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T01:00:00Z",
    });
    assert_eq!(read, expected);
}

#[test]
fn faults_name_key_and_line_and_quote_no_value() {
    let doubling = format!("{{% set a = access_token %}}{}", "{% set a = a ~ a %}".repeat(40));
    let lengthening = format!("{{{{ access_token{} }}}}", " | b64encode".repeat(120));
    let cases: &[(&str, Option<usize>, &str)] = &[
        ("one\n{{ refresh_token }}", Some(2), "knows access_token"),
        ("{{ access_token.refresh_token }}", Some(1), "knows access_token"),
        ("{% if refresh_token %}{% endif %}", Some(1), "knows access_token"),
        ("one\n\n{{ access_token", Some(3), "not closed"),
        ("{{ access_token | rot13 }}", Some(1), "the filters are b64encode"),
        ("{{ range(9) }}", Some(1), "no functions"),
        ("{{ access_token.upper() }}", Some(1), "no functions"),
        ("{{ access_token - 1 }}", Some(1), "does not fit"),
        ("{{ access_token | replace }}", Some(1), "too few arguments"),
        ("{{ access_token | split | last | first }}", None, "fit"),
        ("{% for i in [1] %}{% endfor %}", Some(1), "no loops"),
        ("\n{%- include 'x' %}", Some(2), "no loops"),
        (&doubling, Some(1), "no assignments"),
        (&lengthening, Some(1), "256 KiB"),
        ("{{ 'x' * 99999999 }}", Some(1), "no multiplication"),
        (&format!("{{{{ 1{} }}}}", "+1".repeat(300)), Some(1), "more than 500"),
    ];
    for (template, line, why) in cases {
        let problem = render(&target(template), &token("canary-access")).expect_err(template);
        assert_eq!(problem.key, "file");
        assert!(line.is_none() || problem.line == *line, "{template}: {problem}");
        assert!(problem.why.contains(why), "{template}: {problem}");
        assert!(!format!("{problem} {problem:?}").contains("canary"), "{template}: {problem}");
        assert!(
            check(&target(template), &BTreeMap::new()).is_err(),
            "{template} is refused before a token is requested"
        );
    }
}

#[test]
fn a_secret_holds_one_mebibyte() {
    let data = (0..32).map(|n| (format!("key{n}"), LongText("{{ access_token }}".to_owned()))).collect();
    let problem = render(&Target { data, ..Target::default() }, &token(&"x".repeat(65_536))).unwrap_err();
    assert!(problem.why.contains("1 MiB"), "{problem}");
}

#[test]
fn every_filter_is_there_under_its_name() {
    for name in vocabulary::FILTERS {
        let applied = filters::apply(name, "a".into(), &[], &mut Work::new());
        assert_ne!(applied, Err(Fault::UnknownFilter), "{name}");
    }
}

fn rendered(template: &str) -> Result<String, String> {
    let given = Token { scope: Some("read write".to_owned()), ..token("abcde") };
    render(&target(template), &given).map(|data| text(&data, "file")).map_err(|problem| problem.why)
}

#[test]
fn operators_and_filters_have_the_results_of_jinja() {
    let cases = [
        ("{{ access_token[:2] }}|{{ access_token[-2:] }}|{{ access_token[1:4:2] }}", "ab|de|bd"),
        (
            "{{ access_token[::-1] }}|{{ access_token[3:1:-1] }}|{{ access_token[9:] }}|{{ access_token[-9:1] }}",
            "edcba|dc||a",
        ),
        ("{{ access_token[:0:-1] }}|{{ access_token[none:2] }}", "edcb|ab"),
        (
            "{{ (scope | split)[1] }}|{{ (scope | split)[-2] }}|{{ (scope | split)[::-1] | join(',') }}",
            "write|read|write,read",
        ),
        ("{{ ''[::-1] }}{{ [][::-1] | join }}{{ ''[:0:-1] }}", ""),
        ("{{ 'a' if scope else 'b' }}{{ 'x' if not scope }}{{ '' or 'c' }}{{ scope and 'd' }}", "acd"),
        (
            "{% if 'read' in scope | split and 'admin' not in scope %}yes{% elif true %}no{% else %}{% endif %}",
            "yes",
        ),
        ("{{ 1 < 2 < 3 }}{{ 'a' == 'b' }}{{ none }}{{ -1 }}{{ 1.5 }}", "TrueFalseNone-11.5"),
        ("{{ 'a' ~ 1 ~ access_token }}{{ 'b' + 'c' }}", "a1abcdebc"),
        (
            "{{ {'token': access_token, 'list': [1, (2, true)], 'none': none} | tojson }}",
            r#"{"list":[1,[2,true]],"none":null,"token":"abcde"}"#,
        ),
        ("{{ {'a': {'b': 'c'}}.a['b'] }}", "c"),
        ("{{ ' Ä b ' | trim | lower | upper | urlencode }}", "%C3%84%20B"),
        ("{{ 'a.b' | split('.') | first }}{{ 'a.b' | split('.') | last }}{{ 'äb' | length }}", "ab2"),
        ("{{ 'aXbX' | replace('X', '--') | b64encode }}", "YS0tYi0t"),
        ("{# no #}{{- ' a' }} {%- raw %}{{ b }}{% endraw %}\n", " a{{ b }}\n"),
    ];
    for (template, expected) in cases {
        assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn operations_that_fit_no_value_are_refused() {
    let cases = [
        ("{{ scope | split }}", Fault::NoText),
        ("{{ 'a' ~ ['b'] }}", Fault::NoText),
        ("{{ access_token[0] }}", Fault::Missing),
        ("{{ (scope | split)[2] }}", Fault::Missing),
        ("{{ access_token[::0] }}", Fault::Unfit),
        ("{{ access_token['a':] }}", Fault::Unfit),
        ("{{ 1 + 1 }}", Fault::Unfit),
        ("{{ -9223372036854775808 }}", Fault::Unfit),
        ("{{ 1 < 'a' }}", Fault::Unfit),
        ("{{ 'a' is defined }}", Fault::UnknownTest),
        ("{{ 'a' | split('') }}", Fault::Unfit),
        ("{{ [1] | join }}", Fault::Unfit),
        ("{{ 'a' | trim('b') }}", Fault::Arguments),
        ("{{ 'a' | replace(from='a', to='b') }}", Fault::Arguments),
    ];
    for (template, fault) in cases {
        assert_eq!(rendered(template), Err(fault.to_string()), "{template}");
    }
}

fn with_fields(template: &str, kept: &[(&str, Option<&str>)]) -> Result<String, TemplateProblem> {
    let kept = kept
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.map(|value| Secret::new(value.to_owned()))));
    let given = Token { kept: kept.collect(), ..token("canary-access") };
    render(&target(template), &given).map(|data| text(&data, "file"))
}

#[test]
fn members_of_the_answer_are_fields() {
    let kept = [("host", Some("https://a.example")), ("region", None), ("n", Some("7"))];
    for (template, expected) in [
        ("{{ fields.host }}/v1", "https://a.example/v1"),
        ("{{ fields['host'] | urlencode }}", "https%3A%2F%2Fa.example"),
        (
            "{{ fields.host if 'host' in fields else 'b' }}{{ fields.region if 'region' in fields else 'b' }}",
            "https://a.exampleb",
        ),
        ("{{ fields | tojson }}", r#"{"host":"https://a.example","n":"7"}"#),
        ("{{ fields['n' ~ ''] ~ (fields.n | length) }}", "71"),
    ] {
        assert_eq!(with_fields(template, &kept).as_deref(), Ok(expected), "{template}");
    }
    for (template, fault) in [
        ("{{ fields.region }}", Fault::NotAnswered),
        ("{% if fields.region %}{% endif %}", Fault::NotAnswered),
        ("{{ fields.other }}", Fault::NotKept),
        ("{{ fields }}", Fault::NoText),
        ("{{ fields[0] }}", Fault::Missing),
        ("{{ fields.host.length }}", Fault::Missing),
        ("{{ field.host }}", Fault::Missing),
    ] {
        let problem = with_fields(template, &kept).unwrap_err();
        assert_eq!((problem.why, problem.line), (fault.to_string(), Some(1)), "{template}");
    }
    for template in ["{{ fields.host }}", "{{ fields | tojson }}", "{{ 'a' in fields }}"] {
        assert_eq!(with_fields(template, &[]).unwrap_err().why, Fault::NotKept.to_string(), "{template}");
    }
}

#[test]
fn a_field_that_is_not_kept_is_refused_before_a_token_is_requested() {
    let keep = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), "/a".to_owned())).collect();
    let uses = target("{{ fields.host | replace('https://', '') | split('/') | first }}");
    assert_eq!(check(&uses, &keep(&["host", "other"])), Ok(()));
    for names in [&["other"][..], &[]] {
        assert_eq!(check(&uses, &keep(names)).unwrap_err().why, Fault::NotKept.to_string(), "{names:?}");
    }
}

#[test]
fn the_work_for_fields_is_counted() {
    let long = "x".repeat(4096);
    let kept: Vec<_> = [("a", Some(long.as_str())), ("b", Some(long.as_str()))].into();
    let many = "{{ fields | tojson | length }}".repeat(60);
    assert!(with_fields(&many, &kept).is_ok());
    let data =
        (0..8).map(|n| (format!("key{n}"), LongText("{{ fields | tojson | length }}".repeat(60)))).collect();
    let kept =
        kept.into_iter().map(|(name, text)| (name.to_owned(), text.map(|text| Secret::new(text.to_owned()))));
    let given = Token { kept: kept.collect(), ..token("canary-access") };
    let problem = render(&Target { data, ..Target::default() }, &given).unwrap_err();
    assert_eq!(problem.why, Fault::TooMuchWork.to_string());
}

#[test]
fn a_type_that_wants_json_is_checked_for_json() {
    let of = |template: &str| {
        let data = [(".dockerconfigjson".to_owned(), LongText(template.to_owned()))].into();
        let type_ = Some("kubernetes.io/dockerconfigjson".to_owned());
        check(&Target { type_, data, ..Target::default() }, &BTreeMap::new())
    };
    let (_, example) = json_key("kubernetes.io/dockerconfigjson").unwrap();
    assert_eq!(of(example), Ok(()));
    for template in ["{{ access_token }}", "[]", "{\"auths\": {{ access_token }}}", ""] {
        assert!(of(template).unwrap_err().why.contains(example), "{template}");
    }
    assert!(include_str!("../../../docs/templates.md").contains(example));
}
