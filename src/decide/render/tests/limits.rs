//! The limits of work and of nesting. Work is counted, never timed.

use super::*;
use crate::decide::render::work::BUDGET;

/// The outcome, and how much of the budget was used.
fn cost(templates: &[String], access: &str) -> (Result<Data, TemplateProblem>, usize) {
    let data = templates
        .iter()
        .enumerate()
        .map(|(n, text)| (format!("key{n:02}"), LongText(text.clone())))
        .collect();
    let mut work = Work::new();
    let outcome = render_within(&Target { data, ..Target::default() }, &token(access), &mut work);
    (outcome, BUDGET - work.left())
}

#[test]
fn work_beyond_the_budget_is_refused_before_it_is_done() {
    let long = "a".repeat(4000);
    let wide = "a".repeat(60);
    let cases = [
        // Each stays within the limits of one template; each took seconds before work was counted.
        vec![format!(
            "{{{{ '{long}' | replace('a', '{wide}') {} | length }}}}",
            "| split('a') | join('a')".repeat(48)
        )],
        vec![
            format!(
                "{{{{ 'aaaa'{} {} }}}}",
                "| replace('a', 'aaaaaaaa')".repeat(5),
                "| urlencode".repeat(228)
            );
            32
        ],
        vec![format!("{{{{ '{long}' | replace('a', '{wide}') {} }}}}", "| upper".repeat(200))],
        vec![format!(
            "{{% if '{long}' | replace('a', '{wide}') {} %}}{{% endif %}}",
            "~ access_token".repeat(120)
        )],
        vec![format!(
            "{{{{ '{long}' {} | length }}}}",
            "| replace('a', 'aaa') | split('a') | tojson".repeat(12)
        )],
    ];
    for templates in cases {
        let (outcome, used) = cost(&templates, &"t".repeat(1500));
        let problem = outcome.unwrap_err();
        assert!(
            [Fault::TooMuchWork, Fault::TooLong].iter().any(|fault| problem.why == fault.to_string()),
            "{problem}"
        );
        assert!(used <= BUDGET, "{used}");
    }
}

#[test]
fn the_budget_is_one_for_all_templates() {
    let template = format!("{{{{ access_token {} }}}}", "| upper".repeat(40));
    let (alone, used) = cost(std::slice::from_ref(&template), &"t".repeat(8000));
    assert!(alone.is_ok() && used < BUDGET / 8, "{used}");
    let (together, _) = cost(&vec![template; 32], &"t".repeat(8000));
    assert_eq!(together.unwrap_err().why, Fault::TooMuchWork.to_string());
}

#[test]
fn the_ready_made_templates_use_a_hundredth_of_the_budget() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/templates.yaml");
    let sources: Vec<TokenSource> =
        serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap();
    for source in sources {
        let templates: Vec<_> = source.spec.target.data.into_values().map(|text| text.0).collect();
        let (outcome, used) = cost(&templates, &"t".repeat(4000));
        assert!(outcome.is_ok() && used < BUDGET / 100, "{:?}: {used}", source.metadata.name);
    }
}

#[test]
fn nesting_beyond_the_limit_is_refused_and_within_it_needs_little_stack() {
    let shapes: [fn(usize) -> String; 10] = [
        |n| format!("{{{{ {}1{} }}}}", "(".repeat(n), ")".repeat(n)),
        |n| format!("{{{{ {}{} | tojson }}}}", "[".repeat(n), "]".repeat(n)),
        |n| format!("{{{{ {}1{} | tojson }}}}", "{'a':".repeat(n), "}".repeat(n)),
        |n| format!("{{{{ {}1 }}}}", "not ".repeat(n)),
        |n| format!("{{{{ {}1 }}}}", "- ".repeat(n)),
        |n| format!("{{{{ {}1 }}}}", "1 if 0 else ".repeat(n / 2)),
        |n| format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(n.saturating_sub(1))),
        |n| format!("{}{}", "{% if 1 %}".repeat(n), "{% endif %}".repeat(n)),
        |n| format!("{{{{ 'a'{} }}}}", "['a'".repeat(n) + &"]".repeat(n)),
        |n| format!("{{{{ {}'a'{} }}}}", "'a'|replace(".repeat(n), ")".repeat(n)),
    ];
    let render_all = move || {
        for (index, shape) in shapes.iter().enumerate() {
            for depth in [1, 30, 33, 40, 120, 400] {
                let outcome =
                    render(&target(&shape(depth)), &token("canary-access")).map_err(|problem| problem.why);
                let refused = [Fault::TooDeep, Fault::TooManyTokens].map(|fault| Err(fault.to_string()));
                let deep = depth > vocabulary::DEPTH + usize::from(index == 5);
                assert_eq!(refused.contains(&outcome), deep || depth == 400, "{index}, {depth}: {outcome:?}");
            }
        }
        // Long chains are flat for the parser, but nested in the tree that it returns.
        for chain in ["'a'", "1"] {
            for link in [" ~ 1", " == 1", " and 1", "[0]", " | upper"] {
                let _ = render(
                    &target(&format!("{{{{ {chain}{} }}}}", link.repeat(160))),
                    &token("canary-access"),
                );
            }
        }
    };
    // An eighth of the main thread's stack, without the compiler's optimisations.
    std::thread::Builder::new().stack_size(1 << 20).spawn(render_all).unwrap().join().unwrap();
}
