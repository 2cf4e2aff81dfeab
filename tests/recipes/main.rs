//! The manifests of docs/recipes.md, with the real programs that use the token: the controller publishes three tokens one after
//! the other, and the program must present each token. A program that does not end by itself must not be restarted for a new
//! token. The manifests of programs that cannot run here are compared with the keys and labels that those programs document.
//! docs/try-it.md is compared with its script.
//!
//! A single control plane serves all recipes. Each recipe has a namespace and a controller of its own, as in tests/stories.

#![allow(clippy::disallowed_methods)] // recipes run in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends a recipe

mod api;
mod collector;
mod envoy;
mod git;
mod images;
#[path = "../stories/leaks.rs"]
#[allow(dead_code)] // shared with the stories, which use more of it
mod leaks;
mod objects;
mod packages;
mod page;
mod pod;
mod prometheus;
mod recipe;
#[path = "../stories/story.rs"]
#[allow(dead_code)]
mod story;
mod try_it;
#[path = "../stories/world.rs"]
#[allow(dead_code)]
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use story::Story;
use world::World;

/// How many recipes are tried at the same time: they mostly wait.
const PARALLEL: usize = 4;

macro_rules! recipes {
    ($($module:ident :: $recipe:ident,)+) => {
        fn recipes(world: &Arc<World>) -> Vec<Trial> {
            vec![$(follow(world, concat!(stringify!($module), "::", stringify!($recipe)), async |story| {
                $module::$recipe(story).await
            }),)+]
        }
    };
}

recipes! {
    collector::exports_with_each_token,
    collector::prints_the_traces_of_a_renewal,
    envoy::adds_each_token_to_requests,
    git::presents_each_token_as_a_password,
    git::presents_each_token_as_a_bearer_token,
    images::are_pulled_with_each_token,
    objects::api_server_accepts_every_manifest,
    objects::argo_cd_finds_what_it_documents,
    objects::flux_finds_what_it_documents,
    objects::keda_finds_what_it_documents,
    packages::npm_installs_with_each_token,
    packages::pip_installs_with_each_token,
    prometheus::scrapes_with_each_token,
    try_it::script_runs_what_the_page_says_and_the_pod_gets_its_tokens,
}

fn follow(
    world: &Arc<World>,
    name: &'static str,
    recipe: impl AsyncFn(&mut Story) + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut story = Story::begin(world, name).await;
            recipe(&mut story).await;
            story.end().await;
        });
        Ok(())
    })
}

/// The tests that need no control plane.
fn without_a_cluster() -> [Trial; 3] {
    let trial = |name, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    [
        trial("page::shows_the_manifests_that_are_tested", page::shows_the_manifests_that_are_tested),
        trial("page::names_the_pinned_versions", page::names_the_pinned_versions),
        trial("try_it::image_is_built_with_whichever_works", try_it::image_is_built_with_whichever_works),
    ]
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    let world = if arguments.list { World::unbuilt() } else { World::build() };
    let mut trials = recipes(&world);
    trials.extend(without_a_cluster());
    let conclusion = libtest_mimic::run(&arguments, trials);
    // All processes of the control plane must end before this process ends.
    drop(world);
    conclusion.exit();
}
