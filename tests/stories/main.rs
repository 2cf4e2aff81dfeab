//! The stories: actions of users and operators, and their results, on a real control plane.
//!
//! A single control plane serves almost all stories; a few have one of their own. Each story has a namespace and a
//! controller process of its own, so stories run in parallel. After every story the kstatus rules are checked on each
//! `TokenSource` that the story leaves.

#![allow(clippy::disallowed_methods)] // stories run in real time
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // a failure ends a story

mod chains;
mod changes;
mod check;
mod commands;
mod conflicts;
mod costs;
mod deletions;
mod denial;
mod disguise;
mod doctor;
mod examples;
mod failures;
mod fields;
mod fleets;
mod gitops;
mod hostile;
mod identity;
mod inputs;
mod issue;
mod keycloak;
mod leaders;
mod leaks;
mod monitoring;
mod people;
mod plugin;
mod process;
mod provider_status;
mod providers;
mod proxies;
mod reasons;
mod refresh;
mod renewal;
mod restarts;
mod revocation;
mod rewrites;
mod rights;
mod schema;
mod screens;
mod security;
mod signals;
mod story;
mod tenants;
mod traces;
mod world;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use story::Story;
use world::World;

/// How many stories run at the same time: they mostly wait.
const PARALLEL: usize = 6;

macro_rules! stories {
    ($($module:ident :: $story:ident,)+) => {
        /// Every story, by the name of its module and function.
        fn stories(world: &Arc<World>) -> Vec<Trial> {
            vec![$(trial(world, concat!(stringify!($module), "::", stringify!($story)), async |story| {
                $module::$story(story).await
            }),)+]
        }
    };
}

stories! {
    chains::bearer_token_of_another_source_is_presented,
    chains::circle_of_references_is_named,
    chains::service_account_becomes_an_account_of_another_platform,
    chains::token_goes_no_further_than_its_credentials,
    chains::token_of_another_source_is_exchanged,
    chains::values_come_from_keys,
    changes::altered_target_is_replaced_once,
    changes::changed_labels_cost_no_token,
    changes::changed_spec_asks_once,
    changes::deleted_target_comes_back,
    changes::renamed_target_takes_the_old_secret_along,
    changes::renewal_on_request_is_acknowledged,
    changes::rotated_credentials_ask_once,
    changes::suspended_source_requests_no_token,
    changes::target_that_cannot_be_written_is_left_as_it_is,
    changes::target_that_the_api_server_refuses_costs_no_token,
    changes::type_of_the_target_can_change,
    check::keycloak_is_found_and_asked,
    check::provider_is_really_asked,
    commands::command_for_an_unbound_secret_adds_the_host,
    commands::printed_commands_are_understood,
    conflicts::foreign_secret_is_left_alone,
    conflicts::of_two_with_one_target_the_older_wins,
    conflicts::refresh_token_waits_for_its_secret,
    conflicts::younger_gets_the_target_that_the_older_gives_up,
    costs::idle_controller_asks_nothing_of_the_api_server,
    costs::renewal_costs_two_writes_and_one_read,
    costs::restart_asks_and_writes_nothing,
    examples::catalog_is_accepted,
    examples::manifests_of_init_are_accepted,
    examples::credentials_are_put_as_the_pages_say,
    deletions::hundreds_of_deletions_end_although_the_provider_hangs,
    deletions::unwritable_finalizer_delays_nothing_else,
    disguise::addresses_in_disguise_are_refused,
    disguise::smuggled_members_are_refused,
    disguise::target_is_no_credential_of_kubernetes,
    doctor::doctor_finds_planted_faults,
    examples::requests_are_as_documented,
    examples::workloads_are_accepted,
    failures::templates_end_no_process_and_cost_little,
    failures::broken_template_keeps_the_good_secret,
    failures::failing_renewal_leaves_the_good_token,
    failures::expiry_of_a_good_token_is_reported,
    failures::refused_credentials_stop_the_asking,
    failures::retry_after_is_obeyed,
    failures::unavailable_provider_is_tried_again,
    fleets::deleted_sources_leave_their_limiter_at_once,
    fleets::hanging_issuer_leaves_room_for_others,
    fleets::hanging_provider_leaves_room_for_others,
    fleets::provider_in_trouble_is_tried_by_one_at_a_time,
    identity::certificate_identifies_the_client,
    identity::endpoint_is_discovered_once,
    identity::keycloak_is_discovered,
    identity::metadata_of_another_issuer_is_refused,
    identity::unavailable_metadata_is_read_later,
    identity::service_account_needs_no_stored_secret,
    identity::service_account_token_is_exchanged,
    identity::token_for_the_api_server_never_leaves,
    identity::token_is_signed_here,
    fields::answer_without_a_kept_member_leaves_the_secret_alone,
    fields::check_names_the_members,
    fields::members_of_the_answer_are_in_the_secret,
    fields::provider_object_names_the_fields,
    gitops::flux_waits_for_renewals_and_gives_up_on_the_hopeless,
    hostile::good_tokens_survive_bad_answers,
    hostile::good_tokens_survive_bad_connections,
    hostile::compressed_answer_is_read,
    hostile::odd_lifetimes_are_read_or_assumed,
    inputs::tokens_of_other_issuers_and_own_jwts_are_sent,
    issue::deleted_source_takes_its_secret_along,
    issue::kubectl_shows_the_columns_of_the_reference,
    issue::templates_shape_the_secret,
    issue::token_arrives_with_everything_it_should_have,
    keycloak::assertions_are_accepted,
    keycloak::real_tokens_are_renewed,
    keycloak::service_account_is_a_client,
    keycloak::tokens_are_exchanged,
    keycloak::wrong_secret_is_refused_and_heals,
    leaders::killed_leaders_are_replaced_without_a_gap,
    leaders::leader_that_loses_the_lease_ends,
    leaders::terminated_leader_hands_over_immediately,
    leaks::credentials_in_every_field_stay_unseen,
    leaks::provider_that_repeats_credentials_is_not_quoted,
    monitoring::every_query_finds_what_it_asks_for,
    process::proxies_of_the_environment_cut_nobody_off,
    process::each_source_has_its_numbers_while_it_is_there,
    people::hostile_text_reaches_no_terminal,
    people::kubectl_finds_the_plugin,
    people::renew_waits_for_the_answer,
    people::status_follows_changes,
    people::status_is_redrawn_on_a_terminal,
    people::status_shows_every_token,
    plugin::flags_name_another_user_cluster_and_deadline,
    plugin::names_are_completed_from_the_cluster,
    plugin::renewal_of_all_namespaces_names_them,
    plugin::status_selects_and_prints_as_kubectl_does,
    plugin::suspended_sources_keep_their_token_until_they_are_resumed,
    process::endpoints_tell_the_state,
    process::half_open_clients_take_neither_memory_nor_probes,
    process::last_line_is_json_where_lines_are_json,
    process::no_core_is_dumped,
    process::numbers_of_each_source_can_be_switched_off,
    process::sigterm_lets_the_exchange_end,
    provider_status::kubectl_shows_the_columns,
    provider_status::missing_right_costs_one_line,
    provider_status::outage_and_recovery_show,
    provider_status::refused_clients_leave_a_provider_ready,
    provider_status::tenants_share_the_status_of_a_cluster_provider,
    provider_status::controller_that_sees_a_part_of_the_users_writes_no_status,
    providers::cluster_provider_admits_by_label,
    providers::edited_provider_asks_once,
    providers::missing_provider_is_named,
    providers::only_cluster_providers,
    proxies::tokens_arrive_through_a_real_proxy,
    reasons::terminal_failures_are_seldom_retried,
    reasons::transient_failures_are_retried,
    refresh::apiax_is_refreshed_and_falls_back,
    refresh::crash_between_the_writes_costs_one_refresh,
    refresh::keycloak_rotates,
    refresh::refresh_requests_go_to_their_own_endpoint_if_its_host_is_allowed,
    refresh::refresh_token_goes_only_where_it_came_from,
    refresh::refresh_token_of_the_credentials_is_only_the_first,
    refresh::refresh_token_that_cannot_be_stored_is_reported_with_its_secret,
    refresh::refused_password_is_not_tried_again,
    renewal::same_token_with_a_longer_life_is_news,
    renewal::token_never_expires_in_the_secret,
    renewal::same_token_again_does_not_spin,
    restarts::each_other_token_restarts_once,
    revocation::deleted_source_revokes_its_token,
    revocation::deletion_never_hangs,
    revocation::failed_revocations_are_reported,
    revocation::finalizer_is_there_only_on_demand,
    revocation::hopeless_deletions_end_at_once,
    revocation::keycloak_forgets_the_tokens,
    revocation::namespace_waits_for_no_revocation,
    revocation::refresh_token_is_revoked_first,
    revocation::replaced_token_is_revoked_after_the_grace,
    revocation::same_token_again_is_not_revoked,
    rewrites::key_is_made_once,
    rewrites::lost_annotation_leaves_the_good_token_ready,
    rewrites::refresh_token_outlives_a_rewrite,
    rewrites::refused_values_are_not_tried_again,
    rewrites::unchanged_values_cost_nothing,
    rights::controller_that_may_not_write_is_not_ready,
    rights::namespace_that_is_gone_keeps_nobody_waiting,
    rights::one_namespace_is_enough,
    schema::accepts_and_refuses,
    security::another_trust_needs_the_same_binding,
    security::edited_provider_leads_nowhere_else,
    security::loopback_is_refused_by_default,
    security::namespaces_share_no_connection,
    security::redirect_is_not_followed,
    security::unbound_credentials_never_leave,
    security::unbound_hosts_all_fail_alike,
    security::wrong_authority_is_not_trusted,
    signals::ended_session_is_noticed_at_keycloak,
    signals::doubtful_answers_have_a_notice,
    signals::prisjakts_401_is_noticed,
    signals::probe_goes_only_where_it_may,
    signals::rejected_token_is_renewed_once,
    signals::revoked_credentials_flag_the_token,
    signals::revoked_credentials_withdraw_the_token,
    signals::revoked_credentials_withdraw_the_token_under_its_former_name,
    signals::withdrawal_of_a_typed_secret_deletes_it,
    tenants::only_who_may_get_a_secret_may_have_it_sent,
    tenants::only_who_may_get_all_secrets_may_use_another_token,
    tenants::only_who_may_create_secrets_decides_what_is_in_them,
    tenants::only_who_may_create_secrets_may_have_a_target,
    tenants::provider_object_lends_nobodys_secret,
    tenants::unchanged_specs_pass,
    traces::collector_in_trouble_delays_nothing,
    traces::renewal_is_traced_from_trigger_to_status,
    traces::traces_are_off_by_default,
}

fn trial(world: &Arc<World>, name: &'static str, story: impl AsyncFn(&mut Story) + Send + 'static) -> Trial {
    let world = Arc::clone(world);
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut begun = Story::begin(world, name).await;
            story(&mut begun).await;
            begun.end().await;
        });
        Ok(())
    })
}

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(PARALLEL);
    let world = if arguments.list { World::unbuilt() } else { World::build() };
    let conclusion = libtest_mimic::run(&arguments, stories(&world));
    let complaints = if arguments.list { Vec::new() } else { afterwards(&world, &arguments) };
    // All processes of the control plane must end before this process ends.
    drop(world);
    conclusion.exit_if_failed();
    assert!(complaints.is_empty(), "after the last story:\n{}", complaints.join("\n"));
}

/// Checks that need the whole run.
fn afterwards(world: &World, arguments: &Arguments) -> Vec<String> {
    let mut complaints = leaks::in_audited_bodies(world.plane());
    let all_have_run = arguments.filter.is_none() && arguments.skip.is_empty();
    if all_have_run {
        complaints.extend(rights::never_used(world));
    }
    complaints
}
