//! Finds and deletes former targets: the Secrets that were the target before the spec changed its name.
//!
//! Knows how a former target is recognized. Must not decide when it is deleted.

use kube::api::Preconditions;

use crate::controller::error::CallError;
use crate::controller::reconcile::context::Context;
use crate::controller::reconcile::target::unusable_reason;
use crate::decide::refresh::secret_name;
use crate::decide::{FormerTarget, Observed};

/// The known former targets. A Secret that is in use, for example as credentials, does not count, whatever its
/// annotations say.
pub(crate) fn former_targets(observed: &Observed<'_>, context: &Context) -> Vec<FormerTarget> {
    let refresh_token = secret_name(observed.name);
    let is_in_use = |name: &str| {
        let mut read = observed.secrets.named().filter_map(|secret| secret.name());
        name == observed.target_name() || name == refresh_token || read.any(|read| read == name)
    };
    let written = context.view.secrets.targets_of(observed.namespace, observed.name, observed.uid);
    let former = written.into_iter().filter(|(name, _)| !is_in_use(name));
    former
        .filter(|(_, meta)| unusable_reason(meta, observed.uid).is_none())
        .map(|(name, meta)| FormerTarget {
            name: name.to_string(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.to_string(),
            holds_token: meta.record.is_some(),
        })
        .collect()
}

/// Deletes a former target if it is unchanged since it was observed, and updates the view. Returns whether it was deleted.
pub(crate) async fn delete(
    former: &FormerTarget,
    namespace: &str,
    context: &Context,
) -> Result<bool, CallError> {
    let version = Preconditions {
        uid: Some(former.uid.clone()),
        resource_version: Some(former.resource_version.clone()),
    };
    context.delete_secret(namespace, &former.name, version).await
}
