//! The one vocabulary of reasons: conditions, events, logs and the `reason` metric label all use these words.
//! Knows what each word means to a person, and what to do about it. Must not know which situation leads to which reason.

use std::fmt;

/// Declares [`Reason`] with its sentences and its advice, so that no reason can exist without them.
macro_rules! reasons {
    ($($name:ident: $sentence:literal => $advice:literal,)+) => {
        /// Why a condition has its status, in CamelCase as the Kubernetes API conventions ask.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $sentence] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Reason] = &[$(Reason::$name,)+];

            /// The word as it stands in conditions, events and metric labels.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => stringify!($name),)+
                }
            }

            /// The reason of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == name)
            }

            /// One sentence for a person: what the reason means.
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Reason::$name => $sentence,)+
                }
            }

            /// What a person does about it. The same text stands in docs/reasons.md.
            pub const fn advice(self) -> &'static str {
                match self {
                    $(Reason::$name => $advice,)+
                }
            }
        }
    };
}

reasons! {
    TokenIssued: "The target holds a valid token that this spec asked for."
        => "Nothing.",
    TokenRenewed: "A new token has replaced the previous one before it expired."
        => "Nothing. After a failure, or a renewal you asked for, it is an Event as well; a routine renewal is \
         not.",
    TokenPending: "No token has been obtained yet."
        => "Wait a few seconds. If it stays, read `Renewed`.",
    TokenExpired: "The last token has expired and no other could be obtained."
        => "Read `Renewed`: renewals have been failing for some time, and workloads now hold a dead token.",
    TargetMissing: "The target Secret is gone; a new token is being asked for."
        => "Nothing: a new token is on its way. If it keeps happening, find out who deletes the Secret.",
    TargetTampered: "Somebody else has changed the target's data; a new token is being asked for."
        => "Nothing: a new token is on its way. If it keeps happening, find the tool that writes into this \
         Secret (`kubectl get secret NAME -o yaml --show-managed-fields`) and point it elsewhere: each of its \
         writes costs a token.",
    InputsChanged: "The target's token was asked for by an earlier spec or provider."
        => "Nothing: a token for the new spec is on its way. If it stays, `Renewed` says what is in its way. Other \
         values of the credentials ask for a token, too, but leave `Ready` to the one that is there.",
    TokenWithdrawn: "The provider has refused the credentials for good, and the spec wants the token they brought removed."
        => "`Renewed` says how the credentials were refused: mend them, and a new token comes at once. The \
         Secret has no keys meanwhile (one whose type forbids that is deleted). To keep tokens until they \
         expire instead, set `renewal.onRevoked: Keep`.",
    RenewalDue: "The token has reached its renewal time."
        => "Nothing.",
    RenewalRequested: "A new value of `renew-requested-at` asks for a renewal."
        => "Nothing.",
    ProbeRejected: "The probe answered 401 to the current token."
        => "A new token is fetched at once, or a minute after the last request; `Ready` is False until the probe \
         accepts a token or another one comes. If it comes again and again, the probe rejects fresh tokens as \
         well: its URL wants something else (an audience, a scope) or answers 401 to everybody, or another user \
         of the same client asks for tokens, and each one voids the one before. Give every user a client of its \
         own. Renewals then wait ever longer, up to an hour.",
    FormerTargetDeleted: "`target.name` was changed: the Secret of the former name has been deleted."
        => "Nothing, if every workload names the new Secret. Pods that name the former one keep what they have \
         mounted, but cannot start again: see docs/workloads.md.",
    WorkloadsRestarted: "Another token is in the target: the workloads of `target.rolloutRestart` take it up."
        => "Nothing. Workloads that read the mounted file anew need no restart: see docs/workloads.md.",
    RestartFailed: "A workload of `target.rolloutRestart` could not be restarted and may hold the token before."
        => "An Event has the API server's words. Usually the controller lacks the right, which an installation gives \
         only when asked to (docs/workloads.md). It is tried again by itself, at the latest after a minute; \
         meanwhile `kubectl rollout restart` does the same.",
    InvalidRequest: "The provider calls the request malformed: compare `bodyFormat`, `grantType` and `parameters` with its documentation."
        => "Compare `bodyFormat` (form or JSON?), `token.audience` and `parameters` with the provider's example \
         call.",
    InvalidClient: "The provider does not accept the client's credentials."
        => "Compare client id and secret with what the provider issued; look for a secret that was rotated or \
         revoked there. With Basic, try the other `basicEncoding`; some providers want `client_secret_post`. \
         Then change the Secret: the new one is tried at once.",
    InvalidGrant: "The user name, password or refresh token is wrong, expired, revoked or locked."
        => "With `grantType: refresh_token`: have a person authorise the client again, and put the new refresh token \
         into the credentials Secret. With a vendor's own `grantType`: compare its `parameters` with the \
         documentation.",
    RefreshTokenRejected: "The stored refresh token was refused and has been dropped; the primary grant is tried once."
        => "As an Event beside a good token: nothing to do, a new one came by the primary grant. If it comes \
         with every renewal, the provider does not take its own refresh tokens: set `provider.refresh.policy: \
         Never`.",
    AssertionRejected: "The provider refuses the signed assertion: check key, audience and clock."
        => "Compare `assertion.audience` (or `assertionGrant.audience`) with the provider's documentation, \
         `keyId` and key with what is registered there, and the controller's clock with the true time. It is \
         tried three times with a fresh assertion (five times in about three minutes if these inputs have never \
         worked), then once an hour.",
    UnauthorizedClient: "The client is not allowed this grant; some providers say so for a wrong secret."
        => "Enable the grant for this client at the provider; if it is enabled, treat it as `InvalidClient`. A \
         wrong `token.audience` can look like this, too.",
    UnsupportedGrantType: "The provider does not know this `grantType`."
        => "Correct `grantType`; also check that the endpoint is the token endpoint and not, say, the one for \
         authorisation.",
    InvalidScope: "A scope is unknown, malformed or not granted to this client."
        => "Correct `token.scopes`, or have the scope granted to the client.",
    InvalidTarget: "The `audience` or a resource is unknown to the provider."
        => "Correct `token.audience` or `token.resources`. They are sent byte for byte: a slash at the end \
         counts.",
    AccessDenied: "The provider refuses this client, its address or what it asks for."
        => "Three usual causes: a scope that was not granted; an allow-list of addresses at the provider without \
         your cluster's outgoing address; a firewall in front of the provider.",
    ConsentRequired: "A person must give consent at the provider first."
        => "Have an administrator of the provider's tenant consent to the application once.",
    ProviderRejected: "The provider refused with a code or status of its own."
        => "Look the code in the message up in the provider's documentation; the request id in it is what its \
         support asks for.",
    RateLimited: "The provider asks for fewer requests; the next attempt waits as told."
        => "Wait: the provider's `Retry-After` is obeyed, at least a minute otherwise. If it comes back, see how \
         many TokenSources (and whoever else) use this client.",
    ProviderUnavailable: "The provider is failing on its side."
        => "Wait; see the provider's status page.",
    ProviderError: "The provider answered with an error nobody has documented."
        => "Wait; if it lasts, ask the provider's support, with the request id in the message.",
    MalformedResponse: "The answer is neither a token nor an OAuth error."
        => "Check that the URL is the token endpoint. If members have other names, name them in \
         `response.fields`. From the third time in a row on it is asked every 20 minutes only: each try may have \
         cost a token.",
    ResponseTooLarge: "The answer exceeds 256 KiB."
        => "As `MalformedResponse`: a web page, most likely.",
    TokenAlreadyExpired: "The token was expired on arrival: check both clocks and `response.expiry`."
        => "Compare the clock of the node with the provider's; if the provider gives a wrong expiry, set \
         `response.expiry`. Every 20 minutes from the third time in a row on.",
    UnsupportedTokenType: "The token needs a proof or scheme this controller cannot give (DPoP, MAC, an unknown type)."
        => "Have the client set to plain bearer tokens. If the token is one and only the answer's `token_type` \
         is nonsense: `response.tokenType: Bearer`.",
    EndpointUnreachable: "The endpoint could not be reached, or had not finished its answer at the deadline."
        => "From a pod: does the name resolve, is the port open? Look for NetworkPolicies and egress firewalls. \
         HTTP proxies are not supported. A slow provider needs a longer `timeout`. For a host that neither \
         `allowed-hosts` nor a ClusterTokenProvider names, this is all that is said, whatever went wrong.",
    TLSVerificationFailed: "The endpoint's certificate is not trusted: see `tls.caBundle`."
        => "With a private authority, put it in `tls.caBundle`. Otherwise the certificate has expired or is for \
         another name, or something on the way breaks TLS open. Every 5 minutes at the most.",
    EndpointNotAllowed: "The endpoint's address is refused by network policy of the controller."
        => "The message says which rule. A private network denied with `--deny-network`, or a loopback, \
         link-local or metadata address: only the operator can permit it, with `--allow-network`.",
    UnexpectedRedirect: "The endpoint redirects; credentials are never sent on: correct the URL."
        => "Put the URL in `tokenEndpoint` that the provider redirects to, if you trust it. Credentials are \
         never carried along.",
    EndpointNotFound: "The URL is not a token endpoint."
        => "Correct `tokenEndpoint`: the host answers, but not there (404, 405 or 410).",
    UnsupportedMediaType: "The provider does not take this `bodyFormat`."
        => "Set `bodyFormat` to the other of `Form` and `JSON`.",
    RequestTooLarge: "The provider finds the request too large."
        => "Shorten `token.scopes` or `parameters`.",
    ProxyError: "The operator's proxy refused the connection."
        => "Something answered 407 in the provider's place: a proxy on the way wants to be asked. Take it out of \
         the way. Every 5 minutes at the most.",
    CredentialsNotFound: "The credentials Secret or one of its keys does not exist."
        => "Create the Secret in the TokenSource's own namespace, with keys `client_id` and `client_secret`, or \
         name yours in `credentialsRef.keys`.",
    CredentialsInvalid: "A credential cannot be used as it stands."
        => "The message names the key: empty, not text, holding control characters, still the placeholder of an \
         example or, for raw Basic, a colon in the client id.",
    CredentialsNotBound: "The Secret's owner has not allowed this host; the message gives the command that does."
        => "If that host may have them, run the command in the message. If you did not expect that host there, \
         somebody has changed the endpoint: find out who.",
    ProviderNotFound: "`providerRef` names no provider."
        => "Correct `providerRef`, or create the provider. A controller installed for one namespace cannot read \
         ClusterTokenProviders; the message says so.",
    ProviderNotAllowed: "The provider does not admit this namespace."
        => "Ask the provider's administrator to admit the namespace, or label it as `allowedNamespaces` wants. \
         With `--only-cluster-providers`, endpoints come from ClusterTokenProviders alone.",
    TargetConflict: "A Secret of that name exists and belongs to somebody else."
        => "Set `target.name` to another name. Existing Secrets are never taken over; if the one in the way goes, \
         that is noticed within a minute.",
    TargetWriteFailed: "The token was obtained but the Secret could not be written."
        => "Look for quotas, admission webhooks and missing rights: the message has the API server's words. The \
         token is kept in memory and written as soon as possible; no second one is asked for unless the \
         controller restarts meanwhile.",
    TemplateInvalid: "A template in `target.data` cannot be rendered."
        => "The message names the key, mostly the line, and what is allowed: see docs/templates.md. The Secret \
         stays as it was; nothing is asked for unless only the real token shows the fault.",
    DiscoveryFailed: "The issuer's metadata could not be read."
        => "The message says what the issuer's host answered. It is asked at \
         `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`; a provider that \
         has neither wants `tokenEndpoint` instead of `issuer`. An endpoint found before is used for up to a \
         day meanwhile.",
    IssuerMismatch: "The metadata belongs to another issuer."
        => "Copy `issuer` from the provider's metadata, letter by letter: a slash at the end counts. If it is \
         right and the metadata names somebody else, do not trust that host.",
    ServiceAccountTokenFailed: "The API server did not issue the ServiceAccount token."
        => "The message has the API server's words. If the controller lacks the right, give it for this one \
         ServiceAccount: the Role in deploy/examples/catalog/entra-secretless.yaml. Otherwise it is tried \
         again by itself.",
    InvalidSpec: "The spec contradicts itself."
        => "The message says which field, and what to write instead.",
    Suspended: "Renewal is suspended by the spec."
        => "`Renewed` is Unknown. Set `suspend: false` when renewal shall go on; the token in the target expires \
         in its own time.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    /// Links are for readers of the page; a terminal shows their text.
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
    fn the_page_of_reasons_says_what_the_program_says() {
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
        // What follows are the protocol's notices.
        let (page, _) = page.split_once("\n## Notices\n").unwrap();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
        let unknown: Vec<_> = rows.map(|row| row.0).filter(|word| Reason::named(word).is_none()).collect();
        assert!(unknown.is_empty(), "rows for reasons that do not exist: {unknown:?}");
    }
}
