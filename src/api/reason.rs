//! The reasons that conditions, Events, logs and the `reason` label of metrics share.
//! Knows each reason's meaning for a person and the advice about it. Must not know when a reason is set.

use std::fmt;

/// The conclusions that decisions draw from a reason. Failures are classified by their reason alone, so that a failure that
/// was read from a status has the same consequences as a new failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonKind {
    /// A fact about the token, not a failed request.
    Fact,
    /// A fault in the cluster. While the fault is known, no request is sent.
    NotSent,
    /// A failure of the endpoint or the operator's proxy, whatever the request contains.
    Endpoint,
    /// A failure that may end without a change of the spec.
    Passing,
    /// A response without a usable token. The response may have cost a token.
    Unusable,
    /// The provider refused a stored refresh token.
    RefreshToken,
    /// The provider refused a signed assertion.
    Assertion,
    /// The provider refused the client or the user.
    Credentials,
    /// The provider refused something else.
    Refused,
    /// A failure that only a change can end, and that is no refusal by the provider.
    Other,
}

/// Declares [`Reason`] with a kind, a sentence and an advice for each reason, so that none can be missing.
macro_rules! reasons {
    ($($name:ident, $kind:ident: $sentence:literal => $advice:literal,)+) => {
        /// Why a condition has its status, in CamelCase as the Kubernetes API conventions ask.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of declaration.
            pub const ALL: &[Reason] = &[$(Reason::$name,)+];

            /// The reason's name in conditions, Events and metric labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)+
                }
            }

            /// The reason of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }

            /// The conclusions that decisions draw from the reason.
            pub const fn kind(self) -> ReasonKind {
                match self {
                    $(Reason::$name => ReasonKind::$kind,)+
                }
            }

            /// One sentence for a person: what the reason means.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Reason::$name => $sentence,)+
                }
            }

            /// The advice on the reason. docs/reasons.md has the same text.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Reason::$name => $advice,)+
                }
            }
        }
    };
}

reasons! {
    TokenIssued, Fact: "The target holds a valid token that was requested with this spec."
        => "Nothing.",
    TokenRenewed, Fact: "A new token has replaced the previous one before it expired."
        => "Nothing. An Event reports it only after a failure or after a renewal that you requested; a routine renewal \
         has no Event.",
    EndpointReachable, Fact: "TokenSources get tokens from this provider."
        => "Nothing. If the message counts TokenSources that fail all the same, read their conditions.",
    TokenPending, Fact: "No token has been obtained yet."
        => "Wait a few seconds. If the reason stays, read `Renewed`.",
    TokenExpired, Fact: "The last token has expired and no other could be obtained."
        => "Read `Renewed`: renewals have been failing for some time, and workloads now hold an expired token.",
    TargetMissing, Fact: "The target Secret does not exist; a new token is being requested."
        => "Nothing: a new token is on its way. If it keeps happening, find out who deletes the Secret.",
    TargetTampered, Fact: "Somebody else has changed the target's data; a new token is being requested."
        => "Nothing: a new token is on its way. If it keeps happening, find the tool that writes into this \
         Secret (`kubectl get secret NAME -o yaml --show-managed-fields`) and configure that tool to write into another \
         Secret: each of its writes costs a token.",
    InputsChanged, Fact: "The target's token was requested with an earlier spec or provider."
        => "Nothing: a token for the new spec is on its way. If the reason stays, `Renewed` says what prevents it. Changed \
         values of the credentials also request a token, but leave `Ready` True while the stored token is valid.",
    TokenWithdrawn, Fact: "The provider has refused the credentials, and the token was removed as `renewal.onRevoked` asks."
        => "`Renewed` says how the credentials were refused. Correct them, and a new token is requested immediately. Until \
         then the Secret has no keys; a Secret whose type requires keys is deleted. To keep tokens until they expire, \
         set `renewal.onRevoked: Keep`.",
    RenewalDue, Fact: "The token has reached its renewal time."
        => "Nothing.",
    RenewalRequested, Fact: "A new value of `renew-requested-at` asks for a renewal."
        => "Nothing.",
    ProbeRejected, Fact: "The probe answered 401 to the current token."
        => "A new token is requested immediately, or one minute after the last request; `Ready` is False until the probe \
         accepts a token or a new token arrives. If it happens again and again, the probe rejects fresh tokens too: \
         its URL needs another audience or scope, or answers 401 to everybody, or another user of the same client \
         requests tokens and each new token invalidates the one before. Give every user a client of its own. \
         Renewals after rejections wait longer each time, up to an hour.",
    FormerTargetDeleted, Fact: "`target.name` was changed, and the Secret of the former name has been deleted."
        => "Nothing, if every workload names the new Secret. Pods that name the former Secret keep what they have \
         mounted, but cannot start again: see docs/workloads.md.",
    WorkloadsRestarted, Fact: "The target has a new token, and the workloads of `target.rolloutRestart` were restarted for it."
        => "Nothing. Workloads that read the mounted file again need no restart: see docs/workloads.md.",
    RestartFailed, Fact: "A workload of `target.rolloutRestart` could not be restarted and may still use the previous token."
        => "An Event quotes the API server. Usually the controller lacks the permission, which an installation grants \
         only on request (docs/workloads.md). The controller retries within a minute; until then `kubectl rollout \
         restart` does the same.",
    RevocationFailed, Fact: "A token could not be revoked at the provider and stays valid until it expires."
        => "The message says why. Revoke the token at the provider, for example by disabling the client, if it must not \
         be used any more. If the TokenSource was deleted, its deletion was completed: see docs/revocation.md.",
    InvalidRequest, Refused: "The provider calls the request malformed: compare `bodyFormat`, `grantType` and `parameters` with its documentation."
        => "Compare `bodyFormat` (form or JSON?), `token.audience` and `parameters` with the provider's example \
         call.",
    InvalidClient, Credentials: "The provider does not accept the client's credentials."
        => "Compare client id and secret with what the provider issued, and check whether the secret was rotated or \
         revoked there. With Basic, try the other `basicEncoding`; some providers need `client_secret_post`. \
         Then change the Secret: the new values are tried immediately.",
    InvalidGrant, Credentials: "The user name, password or refresh token is wrong, expired, revoked or locked."
        => "With `grantType: refresh_token`: have a person authorise the client again, and put the new refresh token \
         into the credentials Secret. With a vendor's own `grantType`: compare its `parameters` with the \
         documentation.",
    RefreshTokenRejected, RefreshToken: "The request with the stored refresh token was refused, or failed for the third time in a row; the token is dropped, and the configured grant is tried once."
        => "If this is an Event and the token is valid: nothing, the configured grant returned a new token. If it happens \
         at every renewal, the provider rejects its own refresh tokens: set `provider.refresh.policy: Never`.",
    AssertionRejected, Assertion: "The provider refuses the signed assertion: check key, audience and clock."
        => "Compare `assertion.audience` (or `assertionGrant.audience`) with the provider's documentation, \
         `keyId` and key with what is registered there, and the controller's clock with the true time. The \
         controller tries three times with a new assertion (five times in about three minutes if these inputs have \
         never worked), then once an hour.",
    UnauthorizedClient, Credentials: "The client is not allowed this grant; some providers say so for a wrong secret."
        => "Enable the grant for this client at the provider; if it is enabled, treat it as `InvalidClient`. A \
         wrong `token.audience` can have the same effect.",
    UnsupportedGrantType, Refused: "The provider does not know this `grantType`."
        => "Correct `grantType`; also check that the endpoint is the token endpoint and not, for example, the \
         authorization endpoint.",
    InvalidScope, Refused: "A scope is unknown, malformed or not granted to this client."
        => "Correct `token.scopes`, or have the scope granted to the client.",
    InvalidTarget, Refused: "The `audience` or a resource is unknown to the provider."
        => "Correct `token.audience` or `token.resources`. They are sent byte for byte: a slash at the end \
         matters.",
    AccessDenied, Refused: "The provider refuses this client, its address or what it asks for."
        => "Three usual causes: a scope that was not granted; an allow-list of addresses at the provider without \
         your cluster's outgoing address; a firewall in front of the provider.",
    ConsentRequired, Refused: "A person must give consent at the provider first."
        => "Have an administrator of the provider's tenant consent to the application once.",
    ProviderRejected, Refused: "The provider refused with a code or status of its own."
        => "Look up the code from the message in the provider's documentation. The provider's support asks for the \
         request id in the message.",
    RateLimited, Passing: "The provider asks for fewer requests; the next attempt waits as long as the provider asks."
        => "Wait: the controller waits for the provider's `Retry-After`, or at least a minute. If it happens again, \
         check how many TokenSources and other programs use this client.",
    ProviderUnavailable, Endpoint: "The provider reported an error of its own, or is overloaded."
        => "Wait; see the provider's status page.",
    ProviderError, Passing: "The provider answered with an undocumented error."
        => "Wait; if it lasts, ask the provider's support, with the request id in the message.",
    MalformedResponse, Unusable: "The response is neither a token nor an OAuth error."
        => "Check that the URL is the token endpoint. If members have other names, name them in \
         `response.fields`. From the third time in a row, the controller tries every 20 minutes only: each attempt \
         may cost a token.",
    ResponseTooLarge, Unusable: "The response exceeds 256 KiB."
        => "As for `MalformedResponse`: most likely the URL belongs to a web page.",
    TokenAlreadyExpired, Unusable: "The token was expired on arrival: check both clocks and `response.expiry`."
        => "Compare the clock of the node with the provider's; if the provider gives a wrong expiry, set \
         `response.expiry`. From the third time in a row, the controller tries every 20 minutes only.",
    UnsupportedTokenType, Other: "The token needs a proof or a scheme that the controller does not support (DPoP, MAC, an unknown type)."
        => "Have the provider issue plain bearer tokens to this client. If the token is a bearer token and only the \
         response's `token_type` is wrong, set `response.tokenType: Bearer`.",
    EndpointUnreachable, Endpoint: "The endpoint could not be reached, or its response was not complete at the deadline."
        => "Check from a pod whether the name resolves and the port is open. Look for NetworkPolicies and egress \
         firewalls. A slow provider needs a longer `timeout`. For a host that neither \
         `allowed-hosts` nor a ClusterTokenProvider names, no more than this is reported, whatever went wrong.",
    TLSVerificationFailed, Passing: "The endpoint's certificate is not trusted: see `tls.caBundle`."
        => "For a private certificate authority, put its certificate in `tls.caBundle`. Otherwise the certificate has \
         expired or is for another name, or a proxy intercepts TLS. The controller tries again every 5 minutes.",
    EndpointNotAllowed, Other: "The controller does not permit requests to the endpoint's address."
        => "The message says which rule. A private network denied with `--deny-network`, or a loopback, \
         link-local or metadata address: only the operator can permit it, with `--allow-network`.",
    UnexpectedRedirect, Other: "The endpoint redirects; credentials are not sent to another URL: correct the URL."
        => "If you trust the URL that the provider redirects to, put it in `tokenEndpoint`.",
    EndpointNotFound, Refused: "The URL is not a token endpoint."
        => "Correct `tokenEndpoint`: the host answers, but has no token endpoint at this path (404, 405 or 410).",
    UnsupportedMediaType, Refused: "The provider does not take this `bodyFormat`."
        => "Set `bodyFormat` to the other of `Form` and `JSON`.",
    RequestTooLarge, Refused: "The provider finds the request too large."
        => "Shorten `token.scopes` or `parameters`.",
    ProxyError, Endpoint: "The proxy between controller and provider gave no connection, or asked for credentials."
        => "Only the operator can correct it. The message says what the proxy did: check `--https-proxy`, \
         `--proxy-credentials-file` and the proxy's log, or exempt the host with `--no-proxy`. If none of these flags is \
         set, a proxy of the network between has answered 407. A failing proxy affects every provider behind it. After 407 \
         the controller tries again every 5 minutes.",
    CredentialsNotFound, NotSent: "The credentials Secret or one of its keys does not exist."
        => "Create the Secret in the TokenSource's own namespace, with keys `client_id` and `client_secret`, or \
         name yours in `credentialsRef.keys`.",
    CredentialsInvalid, NotSent: "A credential has a value that cannot be used."
        => "The message names the key. Its value is empty, is not text, holds control characters, is still the \
         placeholder of an example or, for raw Basic, is a client id with a colon.",
    CredentialsNotBound, NotSent: "The Secret's owner has not allowed this host; the message gives the command that does."
        => "If that host may receive the credentials, run the command in the message. If you did not expect that host, \
         somebody has changed the endpoint: find out who.",
    ProviderNotFound, NotSent: "`providerRef` names no provider."
        => "Correct `providerRef`, or create the provider. A controller installed for one namespace cannot read \
         ClusterTokenProviders; the message says so.",
    ProviderNotAllowed, NotSent: "The provider does not admit this namespace."
        => "Ask the provider's administrator to admit the namespace, or give it the labels that `allowedNamespaces` \
         selects. With `--only-cluster-providers`, only ClusterTokenProviders may name endpoints.",
    TargetConflict, NotSent: "Another owner has the target, or the Secret for the refresh token."
        => "The message names the Secret and its owner. Set `target.name` to another name. Existing Secrets are never \
         taken over. If the other Secret no longer exists, \
         the controller notices within a minute.",
    TargetWriteFailed, Passing: "The Secret could not be written."
        => "Check quotas, admission webhooks and permissions: the message quotes the API server. A new token is kept \
         in memory and written as soon as possible. A second token is requested only if the controller restarts, the spec \
         changes or the token expires before that.",
    TemplateInvalid, NotSent: "A template in `target.data` cannot be rendered."
        => "The message names the key, usually also the line, and what is allowed: see docs/templates.md. The Secret is left \
         unchanged. No token is requested, unless the template fails only with a real token.",
    DiscoveryFailed, Passing: "The issuer's metadata could not be read."
        => "The message says what the issuer's host answered. The controller requests \
         `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`; for a provider that has \
         neither, set `tokenEndpoint` instead of `issuer`. An endpoint found earlier is used for up to a day.",
    IssuerMismatch, Other: "The metadata belongs to another issuer."
        => "Copy `issuer` from the provider's metadata, letter by letter: a slash at the end matters. If `issuer` is \
         right and the metadata names another issuer, do not trust that host.",
    SubjectTokenNotReady, Other: "Another TokenSource, whose token is needed, has no valid token now."
        => "Read the conditions of the TokenSource that the message names. As soon as that TokenSource has a valid token, \
         the controller requests one for this TokenSource. The token in this target can be used until it expires.",
    ServiceAccountTokenFailed, Passing: "The API server did not issue the ServiceAccount token."
        => "The message quotes the API server. If the controller lacks the permission, grant it for this one \
         ServiceAccount: see the Role in deploy/examples/catalog/entra-secretless.yaml. Otherwise the controller \
         retries.",
    InvalidSpec, NotSent: "The spec contradicts itself."
        => "The message says which field, and what to write instead.",
    Suspended, Fact: "Renewal is suspended by the spec."
        => "`Renewed` is Unknown. Set `suspend: false` to continue renewals; the token in the target expires at its \
         usual time.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    /// Replaces the links of the page by their text, which is all that a terminal shows.
    fn without_links(cell: &str) -> String {
        let mut text = String::new();
        let mut rest = cell;
        while let Some((before, after)) = rest.split_once("](") {
            let (plain, label) = before.rsplit_once('[').unwrap();
            text += plain;
            text += label;
            rest = after.split_once(')').unwrap().1;
        }
        text + rest
    }

    #[test]
    fn docs_reasons_has_the_sentence_and_advice_of_every_reason() {
        let page = include_str!("../../docs/reasons.md");
        for reason in Reason::ALL {
            let start = format!("| `{reason}` | ");
            let mut rows = page.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix(" |"));
            let row = rows.next().unwrap_or_else(|| panic!("{reason} has no row"));
            assert!(rows.next().is_none(), "{reason} has two rows");
            let (sentence, advice) = row.split_once(" | ").unwrap();
            assert_eq!(sentence, reason.sentence(), "{reason}");
            assert_eq!(without_links(advice), reason.advice(), "{reason}");
        }
        // The section after this heading lists notices, which are no reasons.
        let (page, _) = page.split_once("\n## Notices\n").unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let unknown: Vec<_> = rows.map(|row| row.0).filter(|word| Reason::named(word).is_none()).collect();
        assert!(unknown.is_empty(), "rows for reasons that do not exist: {unknown:?}");
    }
}
