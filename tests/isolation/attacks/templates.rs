//! Templates that panic, take forever, or have a large output.

use serde_json::{Value, json};

use crate::tenant::{Kind, Tenant};

const PANICS: [&str; 6] = [
    "{{ scope[::-1] }}",
    "{{ [][::-1] }}",
    "{{ ''[:0:-1] }}",
    "{{ ('a' ~ scope)[-9223372036854775807:9223372036854775807:-1] }}",
    "{{ access_token[9223372036854775807:] }}",
    "{{ (scope | split)[::-1] | join }}",
];

pub(crate) async fn template_panics(mut tenant: Tenant) {
    for number in 0.. {
        let template = tenant.random.one_of(&PANICS);
        tenant.create(Kind::Source, &with_data(&tenant, number, &[template.to_owned()])).await;
        tenant.pause(2_000).await;
    }
}

/// Within all limits of a template, but with seconds of work.
pub(crate) async fn template_bombs(mut tenant: Tenant) {
    let longer = format!(r#""{}" | replace("a", "{}")"#, "a".repeat(4000), "a".repeat(60));
    let pieces = r#" | split("a") | join("a")"#.repeat(46);
    let doubled = r#" | replace("a", "aaaaaaaaaaaa")"#.repeat(5);
    let encoded = " | urlencode".repeat(225);
    let bombs = [
        format!("{{{{ {longer}{pieces} | length }}}}"),
        format!("{{{{ \"a\"{doubled}{encoded} | length }}}}"),
    ];
    for number in 0..10 {
        let bomb = bombs[number % bombs.len()].clone();
        let data = vec![bomb; if number % 2 == 0 { 8 } else { 32 }];
        tenant.create(Kind::Source, &with_data(&tenant, number, &data)).await;
        tenant.pause(500).await;
    }
    loop {
        let (name, value) = (tenant.any(10), tenant.random.between(0, 1 << 40).to_string());
        tenant.patch(Kind::Source, &name, &json!({"spec": {"token": {"audience": value}}})).await;
        tenant.pause(1_000).await;
    }
}

/// The maximum size of a Secret, again and again.
pub(crate) async fn huge_targets(mut tenant: Tenant) {
    let many = format!(
        r#"{{{{ "{}" | replace("a", "{}") }}}}{{{{ access_token }}}}"#,
        "a".repeat(2000),
        "b".repeat(100)
    );
    let data = vec![many; 5];
    for number in 0..20 {
        let mut source = with_data(&tenant, number, &data);
        source["spec"]["clientId"] = json!("short");
        tenant.create(Kind::Source, &source).await;
        let pause = tenant.random.between(200, 1_000);
        tenant.pause(pause).await;
    }
}

fn with_data(tenant: &Tenant, number: usize, templates: &[String]) -> Value {
    let data: serde_json::Map<String, Value> =
        templates.iter().enumerate().map(|(key, template)| (format!("key-{key}"), json!(template))).collect();
    tenant.source(number, &json!({"target": {"data": data}}))
}
