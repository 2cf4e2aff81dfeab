//! The one vocabulary of reasons: conditions, events, logs and the `reason` metric label all use these words.
//! Knows what each word means to a person. Must not know which situation leads to which reason.

use std::fmt;

/// Declares [`Reason`] with its sentences, so that no reason can exist without one.
macro_rules! reasons {
    ($($name:ident: $sentence:literal,)+) => {
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
        }
    };
}

reasons! {
    TokenIssued: "The target holds a valid token that this spec asked for.",
    TokenRenewed: "A new token has replaced the previous one before it expired.",
    TokenPending: "No token has been obtained yet.",
    TokenExpired: "The last token has expired and no other could be obtained.",
    TargetMissing: "The target Secret is gone; a new token is being asked for.",
    TargetTampered: "Somebody else has changed the target's data; a new token is being asked for.",
    InputsChanged: "The target's token was asked for by an earlier spec, provider or credential.",
    TokenWithdrawn: "The provider has refused the credentials for good, and the spec wants the token they brought removed.",
    RenewalDue: "The token has reached its renewal time.",
    RenewalRequested: "A new value of `renew-requested-at` asks for a renewal.",
    ProbeRejected: "The probe answered 401 to the current token.",
    InvalidRequest: "The provider calls the request malformed: compare `bodyFormat`, `grantType` and `parameters` with its documentation.",
    InvalidClient: "The provider does not accept the client's credentials.",
    InvalidGrant: "The user name, password or refresh token is wrong, expired, revoked or locked.",
    RefreshTokenRejected: "The stored refresh token was refused and has been dropped; the primary grant is tried once.",
    AssertionRejected: "The provider refuses the signed assertion: check key, audience and clock.",
    UnauthorizedClient: "The client is not allowed this grant; some providers say so for a wrong secret.",
    UnsupportedGrantType: "The provider does not know this `grantType`.",
    InvalidScope: "A scope is unknown, malformed or not granted to this client.",
    InvalidTarget: "The `audience` or a resource is unknown to the provider.",
    AccessDenied: "The provider refuses this client, its address or what it asks for.",
    ConsentRequired: "A person must give consent at the provider first.",
    ProviderRejected: "The provider refused with a code or status of its own.",
    RateLimited: "The provider asks for fewer requests; the next attempt waits as told.",
    ProviderUnavailable: "The provider is failing on its side.",
    ProviderError: "The provider answered with an error nobody has documented.",
    MalformedResponse: "The answer is neither a token nor an OAuth error.",
    ResponseTooLarge: "The answer exceeds 256 KiB.",
    TokenAlreadyExpired: "The token was expired on arrival: check both clocks and `response.expiry`.",
    UnsupportedTokenType: "The token needs a proof or scheme this controller cannot give (DPoP, MAC, an unknown type).",
    EndpointUnreachable: "The endpoint could not be reached, or had not finished its answer at the deadline.",
    TLSVerificationFailed: "The endpoint's certificate is not trusted: see `tls.caBundle`.",
    EndpointNotAllowed: "The endpoint's address is refused by network policy of the controller.",
    UnexpectedRedirect: "The endpoint redirects; credentials are never sent on: correct the URL.",
    EndpointNotFound: "The URL is not a token endpoint.",
    UnsupportedMediaType: "The provider does not take this `bodyFormat`.",
    RequestTooLarge: "The provider finds the request too large.",
    ProxyError: "The operator's proxy refused the connection.",
    CredentialsNotFound: "The credentials Secret or one of its keys does not exist.",
    CredentialsInvalid: "A credential cannot be used as it stands.",
    CredentialsNotBound: "The Secret's owner has not allowed this host; the message gives the command that does.",
    ProviderNotFound: "`providerRef` names no provider.",
    ProviderNotAllowed: "The provider does not admit this namespace.",
    TargetConflict: "A Secret of that name exists and belongs to somebody else.",
    TargetWriteFailed: "The token was obtained but the Secret could not be written.",
    TemplateInvalid: "A template in `target.data` cannot be rendered.",
    DiscoveryFailed: "The issuer's metadata could not be read.",
    IssuerMismatch: "The metadata belongs to another issuer.",
    ServiceAccountTokenFailed: "The API server did not issue the ServiceAccount token.",
    InvalidSpec: "The spec contradicts itself.",
    Suspended: "Renewal is suspended by the spec.",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
