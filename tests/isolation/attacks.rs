//! The attacks by name. Each runs until it is ended, with parameters from its seed. Knows the table; the directory beside it
//! has the attacks.

mod answers;
mod churn;
mod decoding;
mod sizes;
mod templates;

use std::pin::Pin;
use std::time::Duration;

use crate::tenant::Tenant;

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    run: fn(Tenant) -> Running,
}

impl Attack {
    /// Runs forever, starting at a random time within the given duration.
    pub(crate) fn begin(&self, mut tenant: Tenant, within: Duration) -> Running {
        let run = self.run;
        let delay = tenant.random.between(0, u64::try_from(within.as_millis()).expect("minutes").max(1));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            run(tenant).await;
            // An attack that has made all its changes leaves them in place.
            std::future::pending::<()>().await;
        })
    }
}

macro_rules! attacks {
    ($($module:ident :: $name:ident,)+) => {
        /// All attacks.
        pub(crate) fn all() -> Vec<Attack> {
            vec![$(Attack { name: stringify!($name), run: |tenant| Box::pin($module::$name(tenant)) },)+]
        }
    };
}

attacks! {
    templates::template_panics,
    templates::template_bombs,
    templates::huge_targets,
    decoding::deep_claims,
    decoding::deep_fields,
    decoding::bad_status_times,
    decoding::forged_names,
    sizes::huge_claims,
    sizes::huge_allowed_hosts,
    sizes::escaped_owners,
    sizes::many_labels,
    sizes::bundle_ports,
    sizes::issuer_urls,
    sizes::many_references,
    sizes::half_open_clients,
    sizes::metric_scrapes,
    answers::forgotten_bundle,
    answers::refused_audience,
    answers::unavailable_client,
    answers::limited_client,
    answers::hanging_webhook,
    answers::quoted_refusals,
    answers::bad_providers,
    answers::unresolvable_names,
    churn::renewal_requests,
    churn::selector_left,
    churn::altered_targets,
    churn::shared_targets,
    churn::labels,
    churn::shared_inputs,
    churn::short_lives,
}
