//! One token request: what is asked, and the bytes that ask it (RFC 6749, `oauth.md` §b).
//! Knows grants, client authentication and body formats. Must not know where the values come from, when to ask, or
//! how to send: everything here is pure, so the same description always gives the same bytes.
//! Nothing here that holds a value has Debug, because nearly every value may be a secret.

use reqwest::header::HeaderMap;
use zeroize::Zeroizing;

use super::assertion::{Assertion, Moment};
use super::endpoint::Endpoint;
use super::error::Error;
use super::secret::Secret;

mod body;
mod headers;
mod members;

/// Everything that shapes one token request.
#[derive(Clone)]
pub struct TokenRequest {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// On what authority a token is asked for.
    pub grant: Grant,
    /// Who asks.
    pub client: Client,
    /// Joined with spaces into `scope` (RFC 6749 §3.3); empty = the parameter is absent, which servers tell apart
    /// from an empty one. Refresh requests leave it empty.
    pub scopes: Vec<String>,
    /// `audience`, byte for byte; None or empty = absent.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), repeated in forms.
    pub resources: Vec<String>,
    /// Whatever else the provider wants, in this order, after everything above.
    pub parameters: Vec<Parameter>,
    /// Further headers, name and value. Treated as confidential: API keys travel here.
    pub headers: Vec<(String, String)>,
    /// How parameters are written.
    pub body_format: BodyFormat,
}

/// On what authority a token is asked for: `grant_type` and its own members.
#[derive(Clone)]
pub enum Grant {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3; RFC 9700 §2.4 forbids it, some providers know nothing else.
    Password {
        /// `username`.
        username: Secret,
        /// `password`.
        password: Secret,
    },
    /// RFC 6749 §6.
    RefreshToken {
        /// `refresh_token`.
        token: Secret,
    },
    /// RFC 7523 §2.1.
    JwtBearer {
        /// `assertion`. One that holds a `scope` claim takes `scope`'s place in the request.
        assertion: Assertion,
    },
    /// RFC 8693 §2.1.
    TokenExchange {
        /// `subject_token`.
        subject_token: Secret,
        /// `subject_token_type`.
        subject_token_type: String,
        /// `requested_token_type`; None = absent.
        requested_token_type: Option<String>,
    },
    /// RFC 6749 §4.5, or a vendor's own: its members are [`TokenRequest::parameters`].
    Extension {
        /// `grant_type`, byte for byte.
        grant_type: String,
    },
}

/// On what authority a token was asked for: one error code means different things to different grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3. Accounts can lock.
    Password,
    /// RFC 6749 §6 as the grant of the spec, with a refresh token from the credentials.
    RefreshToken,
    /// RFC 6749 §6 with a refresh token that an earlier answer to another grant has brought.
    Refresh,
    /// RFC 7523, as a grant or as client authentication of another grant: something we sign may be refused.
    JwtBearer,
    /// RFC 8693.
    TokenExchange,
    /// A vendor's own.
    Extension,
}

/// Who asks (RFC 6749 §2).
#[derive(Clone)]
pub struct Client {
    /// `client_id`, where there is one. Not confidential (RFC 6749 §2.2).
    pub id: Option<String>,
    /// How the client proves itself.
    pub authentication: ClientAuthentication,
    /// Whether `client_id` is a parameter.
    pub send_client_id: SendClientId,
}

/// How the client proves itself: exactly one method per request (RFC 6749 §2.3), and never a second try with
/// another one, as every try may count towards a quota or a lock.
#[derive(Clone)]
pub enum ClientAuthentication {
    /// `client_secret_basic`: an Authorization header.
    Basic {
        /// The client secret.
        secret: Secret,
        /// What becomes of special characters.
        encoding: BasicEncoding,
    },
    /// `client_secret_post`: a parameter.
    Post {
        /// The client secret.
        secret: Secret,
    },
    /// `client_secret_jwt` or `private_key_jwt` (RFC 7523 §2.2): a parameter, signed anew for each request.
    Assertion(Assertion),
    /// An assertion that somebody else has issued for the client (RFC 7521 §4.2), such as a Kubernetes ServiceAccount's
    /// token: the same parameter.
    IssuedAssertion {
        /// The assertion.
        token: Secret,
    },
    /// `tls_client_auth` (RFC 8705 §2.1): the certificate of the connection speaks, and `client_id` says for whom.
    MutualTls,
    /// `none`: a public client.
    None,
}

/// How id and secret are prepared before they are joined and put in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BasicEncoding {
    /// Form-encoded first (RFC 6749 §2.3.1).
    Form,
    /// As they are (RFC 7617), as many servers want it.
    Raw,
}

/// Whether `client_id` is a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SendClientId {
    /// Where there is one, unless the Authorization header carries it.
    #[default]
    Auto,
    /// With Basic, too.
    Always,
    /// Not even where there is one.
    Never,
}

/// One parameter that the provider wants beyond the standard ones.
#[derive(Clone)]
pub struct Parameter {
    /// Its name; the standard ones are refused.
    pub name: String,
    /// Its value.
    pub value: ParameterValue,
    /// Where it stands.
    pub place: ParameterPlace,
}

/// A parameter's value: text as the user wrote it. The type tells only in a JSON body.
#[derive(Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// A JSON string.
    String(String),
    /// A JSON number. Kept as text, so that long account numbers survive; other text is [`Error::Spec`].
    Number(String),
    /// `true` or `false`; other text is [`Error::Spec`].
    Boolean(String),
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ParameterPlace {
    /// With the others, wherever [`BodyFormat`] puts them.
    #[default]
    Body,
    /// In the URL's query, always.
    Query,
}

/// How parameters are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`, the only one RFC 6749 knows.
    #[default]
    Form,
    /// One JSON object.
    Json,
    /// The URL's query, with an empty body.
    Query,
}

/// The bytes of one request. The method is always POST (RFC 6749 §3.2).
pub struct WireRequest {
    /// The endpoint, with the parameters that belong in its query: still an https URL judged by [`Endpoint::parse`].
    pub endpoint: Endpoint,
    /// Complete but for what HTTP itself adds (Host, Content-Length). Confidential ones are marked sensitive.
    pub headers: HeaderMap,
    /// Wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// What was signed for this request alone. Nothing shown may contain it.
    pub signed: Vec<Secret>,
}

/// Writes a request.
///
/// Order of members: `grant_type`, client authentication, the grant's own, `scope`, `audience`, `resource`, then
/// [`TokenRequest::parameters`]. `user_agent` is `tokensource/<version>`. The moment shapes assertions alone.
///
/// Fails with [`Error::Credential`] where id, secret or key cannot be used, and with [`Error::Spec`] where parameters
/// or headers cannot.
pub fn build(request: &TokenRequest, moment: &Moment, user_agent: &str) -> Result<WireRequest, Error> {
    let signed = Signed::by(request, moment)?;
    let members = members::list(request, &signed)?;
    let in_body = || members.iter().filter(|member| member.place == ParameterPlace::Body);
    let in_query = |member: &&members::Member<'_>| {
        request.body_format == BodyFormat::Query || member.place == ParameterPlace::Query
    };
    Ok(WireRequest {
        endpoint: request
            .endpoint
            .with_query(members.iter().filter(in_query).map(|member| (member.name, member.plain()))),
        headers: headers::build(request, user_agent)?,
        body: match request.body_format {
            BodyFormat::Form => body::form(in_body()),
            BodyFormat::Json => body::json(in_body()),
            BodyFormat::Query => Zeroizing::default(),
        },
        signed: signed.client.into_iter().chain(signed.grant).collect(),
    })
}

/// The assertions of one request. Signed beforehand, so that parameters are borrowed from what is wiped.
#[derive(Default)]
struct Signed {
    client: Option<Secret>,
    grant: Option<Secret>,
}

impl Signed {
    fn by(request: &TokenRequest, moment: &Moment) -> Result<Self, Error> {
        let mut signed = Self::default();
        if let ClientAuthentication::Assertion(assertion) = &request.client.authentication {
            signed.client = Some(assertion.sign(moment.now, &moment.nonce)?);
        }
        if let Grant::JwtBearer { assertion } = &request.grant {
            // Both may stand in one request, and to a server that remembers each `jti` two of one are a replay.
            signed.grant = Some(assertion.sign(moment.now, &format!("{}-grant", moment.nonce))?);
        }
        Ok(signed)
    }
}

/// A Secret's value without the one line end that `echo` puts at the end of files. Nothing else is touched: a
/// second line end, or a space, may belong to the secret.
pub fn trim_one_newline(text: &str) -> &str {
    match text.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => text,
    }
}

impl Grant {
    /// The value of `grant_type`.
    pub fn grant_type(&self) -> &str {
        match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::Password { .. } => "password",
            Grant::RefreshToken { .. } => "refresh_token",
            Grant::JwtBearer { .. } => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Grant::TokenExchange { .. } => "urn:ietf:params:oauth:grant-type:token-exchange",
            Grant::Extension { grant_type } => grant_type,
        }
    }
}

impl Client {
    /// The id, for the methods that cannot do without.
    fn required_id(&self) -> Result<&str, Error> {
        let missing = || Error::credential("client_id is missing, and this client authentication needs it");
        self.id.as_deref().ok_or_else(missing)
    }

    /// The id as a parameter, if it is to be one.
    fn id_parameter(&self) -> Result<Option<&str>, Error> {
        match (self.send_client_id, &self.authentication) {
            (SendClientId::Never, _) | (SendClientId::Auto, ClientAuthentication::Basic { .. }) => Ok(None),
            // Whoever issued the assertion may name the client in it; some servers refuse a second name.
            (
                SendClientId::Auto,
                ClientAuthentication::None | ClientAuthentication::IssuedAssertion { .. },
            ) => Ok(self.id.as_deref()),
            (
                SendClientId::Auto,
                ClientAuthentication::Post { .. }
                | ClientAuthentication::Assertion(_)
                | ClientAuthentication::MutualTls,
            )
            | (SendClientId::Always, _) => self.required_id().map(Some),
        }
    }
}

#[cfg(test)]
mod tests;
