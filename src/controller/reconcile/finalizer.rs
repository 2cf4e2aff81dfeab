//! Writes the controller's finalizer, which keeps a deleted `TokenSource` until its tokens are revoked.
//! Must not decide whether an object needs it.

use serde_json::{Value, json};

use crate::api::{TokenSource, annotation};
use crate::api_calls::patch_unchanged;
use crate::controller::error::{CallError, call};
use crate::controller::reconcile::context::Context;
use crate::controller::view::watch::{Finalizers, Watched};

/// Adds the controller's finalizer, or removes it. Other finalizers are unchanged. Fails with a conflict if the object has
/// changed. Succeeds if the object no longer exists.
pub(crate) async fn set(wanted: bool, source: &TokenSource, context: &Context) -> Result<(), CallError> {
    let Some(change) = change(wanted, Finalizers::of(source)) else { return Ok(()) };
    context.ensure_leading()?;
    match call(patch_unchanged(&context.client, source, None, change)).await {
        Ok(answer) => {
            // An answer that cannot be decoded is no failure, since the watch delivers the object too.
            if let Ok(written) = TokenSource::decode(answer.as_bytes()) {
                context.view.local.written(written.object);
            }
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The operation on these finalizers; None if there is nothing to change.
fn change(wanted: bool, finalizers: Finalizers) -> Option<Value> {
    match (wanted, finalizers) {
        (true, Finalizers::None) => {
            Some(json!({"op": "add", "path": "/metadata/finalizers", "value": [annotation::FINALIZER]}))
        }
        (true, Finalizers::OfOthers) => {
            Some(json!({"op": "add", "path": "/metadata/finalizers/-", "value": annotation::FINALIZER}))
        }
        (false, Finalizers::Own(place)) => {
            Some(json!({"op": "remove", "path": format!("/metadata/finalizers/{place}")}))
        }
        (true, Finalizers::Own(_)) | (false, Finalizers::None | Finalizers::OfOthers) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_finalizer_is_added_and_removed() {
        let path = |wanted, finalizers| {
            change(wanted, finalizers).map(|change| change["path"].as_str().unwrap().to_owned())
        };
        assert_eq!(path(true, Finalizers::None).as_deref(), Some("/metadata/finalizers"));
        assert_eq!(path(true, Finalizers::OfOthers).as_deref(), Some("/metadata/finalizers/-"));
        assert_eq!(path(true, Finalizers::Own(1)), None);
        assert_eq!(path(false, Finalizers::Own(1)).as_deref(), Some("/metadata/finalizers/1"));
        assert_eq!(path(false, Finalizers::OfOthers), None, "the finalizers of others stay");
    }
}
