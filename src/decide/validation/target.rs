//! Targets that the API server would refuse. Such targets are found before a token is requested, since the token could not
//! be stored.
//!
//! Knows the rules of the API server for Secrets that are not in the CRD, and shows the template to write. A dry run
//! (`controller::reconcile::target`) finds other refusals, such as the refusals of admission policies. Must not know a
//! token.

use super::{Failure, Observed, invalid};
use crate::api::{TARGET_KEYS, Target, TokenProviderSpec};
use crate::decide::publication::secret_type;
use crate::decide::refresh::{secret_name, stores_refresh_token};
use crate::decide::render::json_key;

/// The maximum length of an object's name.
const NAME: usize = 253;
/// The maximum size of all annotations, in bytes. The difference to the API server's 256 KiB is left for the controller's
/// own.
const ANNOTATIONS: usize = 240 * 1024;

/// A Secret type, the keys of which it requires at least one, and the text to write instead.
type Demand = (&'static str, &'static [&'static str], &'static str);

const DEMANDS: [Demand; 4] = [
    ("kubernetes.io/basic-auth", &["username", "password"], "password: \"{{ access_token }}\""),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"], "ssh-privatekey: \"{{ access_token }}\""),
    ("kubernetes.io/tls", &["tls.crt"], "another type, such as Opaque: a token is no certificate"),
    ("kubernetes.io/tls", &["tls.key"], "another type, such as Opaque: a token is no key"),
];

/// The first fault, with what to write instead.
pub(super) fn unacceptable(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<Failure> {
    let target = &observed.spec.target;
    let why = key(target)
        .or_else(|| missing_key(target))
        .or_else(|| annotations(target))
        .or_else(|| name_of_refresh_secret(observed, provider))?;
    Some(invalid(why))
}

/// Refuses the key `.` and keys that begin with two dots: volumes use such names for their own files.
fn key(target: &Target) -> Option<String> {
    let refused = target.data.keys().find(|key| *key == "." || key.starts_with(".."))?;
    Some(format!(
        "target.data has the key {refused}: the API server takes no key that is a dot or begins with two; name it otherwise."
    ))
}

fn missing_key(target: &Target) -> Option<String> {
    let has = |key: &str| {
        if target.data.is_empty() { TARGET_KEYS.contains(&key) } else { target.data.contains_key(key) }
    };
    let type_ = secret_type(target);
    if let Some((key, example)) = json_key(type_).filter(|(key, _)| !has(key)) {
        return Some(format!(
            "target.type {type_} needs the key {key} in target.data. Write {key}: '{example}'"
        ));
    }
    let (_, keys, template) =
        DEMANDS.iter().find(|(of, keys, _)| *of == type_ && !keys.iter().any(|key| has(key)))?;
    Some(format!("target.type {type_} needs the key {} in target.data. Write {template}", keys.join(" or ")))
}

fn annotations(target: &Target) -> Option<String> {
    let size: usize = target.annotations.iter().map(|(key, value)| key.len() + value.0.len()).sum();
    (size > ANNOTATIONS).then(|| {
        "target.annotations hold more than 240 KiB together, and the API server takes 256 KiB with the controller's own: \
         shorten them."
            .to_owned()
    })
}

/// Refuses a TokenSource whose name is so long that the name of its refresh-token Secret would exceed the limit.
fn name_of_refresh_secret(observed: &Observed<'_>, provider: &TokenProviderSpec) -> Option<String> {
    let length = secret_name(observed.name).len();
    (stores_refresh_token(provider) && length > NAME).then(|| {
        format!(
            "The refresh token would be kept in a Secret whose name, this TokenSource's and -refresh, has {length} characters, \
             and {NAME} are allowed: choose a shorter name, or set provider.refresh.policy: Never."
        )
    })
}
