//! Stories about faults of the control plane and of the process, on a real control plane with the real binary.
//!
//! Each story's controller reaches the API server through a proxy that withholds, delays, refuses or loses chosen calls.
//! Each story counts token requests, and most check that a Secret never loses a valid token. Stories that break the control
//! plane itself have a control plane of their own.

#![allow(clippy::disallowed_methods)] // stories run in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends a story

mod answers;
mod backup;
mod clock;
mod crashes;
mod deletions;
mod fenced;
#[path = "../stories/leaders.rs"]
#[allow(dead_code)]
mod leaders;
#[path = "../stories/leaks.rs"]
#[allow(dead_code)]
mod leaks;
mod outages;
mod quota;
mod stale;
#[path = "../stories/story.rs"]
#[allow(dead_code)] // shared with the stories, which use more of it
mod story;
mod targets;
mod undecodable;
mod unobserved;
mod witness;
#[path = "../stories/world.rs"]
#[allow(dead_code)]
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use story::Story;
use tokensource_kit::control_plane::Shape;
use tokensource_kit::proxy::Proxy;
use world::{CONTROLLER, World};

/// How many stories run at the same time: they mostly wait, but the start of a control plane takes CPU time.
const PARALLEL: usize = 6;

const USUAL: Shape = Shape { etcd_quota: None, follower: false, unaudited: false, uncontrolled: false };
const SMALL: Shape = Shape { etcd_quota: Some(16 * 1024 * 1024), ..USUAL };
const WITH_FOLLOWER: Shape = Shape { follower: true, ..USUAL };

macro_rules! together {
    ($world:expr, $($module:ident :: $story:ident,)+) => {
        vec![$(tell($world, concat!(stringify!($module), "::", stringify!($story)), async |story, proxy| {
            $module::$story(story, proxy).await
        }),)+]
    };
}

macro_rules! alone {
    ($($shape:ident: $module:ident :: $story:ident,)+) => {
        vec![$(tell_alone($shape, concat!(stringify!($module), "::", stringify!($story)), async |story, proxy| {
            $module::$story(story, proxy).await
        }),)+]
    };
}

fn faults(world: &Arc<World>) -> Vec<Trial> {
    let mut all = alone![
        USUAL: outages::api_server_dies_and_comes_back,
        USUAL: outages::etcd_dies_and_comes_back,
        USUAL: deletions::namespace_ends_slowly,
        SMALL: quota::full_etcd_costs_no_token,
        USUAL: fenced::rotated_refresh_token_survives_the_api_server,
        SMALL: fenced::rotated_refresh_token_survives_a_full_etcd,
        USUAL: undecodable::objects_that_cannot_be_read_stop_nobody,
        WITH_FOLLOWER: stale::restart_against_an_api_server_that_lags,
    ];
    all.extend(together![
        world,
        answers::busy_api_server_costs_no_token,
        answers::conflicts_cost_no_token,
        answers::dropped_watches_lose_nothing,
        answers::slow_api_server_costs_no_token,
        answers::status_that_cannot_be_written_is_written_later,
        backup::restored_refresh_token_is_taken_back,
        backup::restored_secrets_make_way_for_new_ones,
        backup::restored_without_owners_they_are_taken_back_by_hand,
        clock::an_hour_back,
        clock::an_hour_forward,
        crashes::after_the_answer_before_the_secret,
        crashes::after_the_secret_before_the_status,
        crashes::after_the_secret_was_claimed,
        crashes::after_the_secret_without_its_answer,
        crashes::after_the_status,
        crashes::before_the_answer,
        deletions::namespace_ends_in_peace,
        deletions::source_goes_in_the_background,
        deletions::source_goes_in_the_foreground,
        deletions::namespace_made_again_while_its_watch_lags,
        answers::list_that_keeps_failing_is_repeated_ever_more_seldom,
        answers::watch_that_keeps_failing_is_repeated_ever_more_seldom,
        stale::created_secret_that_no_watch_shows_is_known,
        stale::silent_watches_cost_no_token,
        targets::altered_while_a_renewal_is_under_way,
        targets::created_by_another_while_the_first_token_is_under_way,
        targets::deleted_while_a_renewal_is_under_way,
        targets::emptied_while_a_renewal_is_under_way,
        targets::former_target_that_cannot_be_deleted_keeps_nothing_else_from_being_done,
        targets::former_target_that_changes_under_its_deletion_is_left_alone,
        targets::replaced_by_another_while_a_renewal_is_under_way,
        targets::two_at_once_with_one_target,
        unobserved::source_replaced_while_nobody_watched,
        unobserved::sources_made_and_changed_while_the_watch_expired,
        unobserved::target_and_credentials_changed_while_nobody_watched,
    ]);
    all
}

/// A story on the common control plane.
fn tell(
    world: &Arc<World>,
    name: &'static str,
    story: impl AsyncFn(&mut Story, &Proxy) + Send + 'static,
) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(play(world, name, story));
        Ok(())
    })
}

/// A story with a control plane of its own, which it breaks.
fn tell_alone(
    shape: Shape,
    name: &'static str,
    story: impl AsyncFn(&mut Story, &Proxy) + Send + 'static,
) -> Trial {
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { play(World::start(shape).await, name, story).await });
        Ok(())
    })
}

async fn play(world: Arc<World>, name: &str, story: impl AsyncFn(&mut Story, &Proxy)) {
    let plane = world.plane();
    let proxy = Proxy::start(&world.authority, &plane.server(), plane.ca_pem());
    let kubeconfig = plane.kubeconfig_through(CONTROLLER, &proxy.server(), proxy.ca_pem());
    let environment = clock::environment(name);
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut told = Story::begin_with(world, name, kubeconfig, &environment).await;
    story(&mut told, &proxy).await;
    told.end().await;
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    let world = if arguments.list { World::unbuilt() } else { World::build() };
    let conclusion = libtest_mimic::run(&arguments, faults(&world));
    // All processes of the control plane must end before this process.
    drop(world);
    conclusion.exit();
}
