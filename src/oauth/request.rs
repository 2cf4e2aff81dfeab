//! A token request: its parts, and the bytes that are sent (RFC 6749).
//! Knows grants, client authentication and body formats. Must not know where the values come from, when to request, or
//! how to send. Everything here is pure, except that some signature algorithms draw random numbers.
//! No type here that holds a value has Debug, because nearly every value may be a secret.

use reqwest::header::HeaderMap;
use zeroize::Zeroizing;

use super::assertion::{Assertion, SigningContext};
use super::endpoint::Endpoint;
use super::error::Error;
use super::secret::Secret;
use crate::api::{BasicEncoding, BodyFormat, ParameterPlace, ParameterType, RequestMethod, SendClientId};

mod body;
mod headers;
mod members;

/// The `grant_type` of [`Grant::JwtBearer`].
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The `grant_type` of [`Grant::TokenExchange`].
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The parts of a token request.
#[derive(Clone)]
pub struct TokenRequest {
    /// The token endpoint.
    pub endpoint: Endpoint,
    /// The grant.
    pub grant: Grant,
    /// The client.
    pub client: Client,
    /// Joined with spaces into `scope` (RFC 6749 §3.3). If there are none, the parameter is left out, because servers treat
    /// an empty scope differently. Refresh requests for another grant have scopes only if the spec asks for it.
    pub scopes: Vec<String>,
    /// `audience`, unchanged. None or empty leaves it out.
    pub audience: Option<String>,
    /// `resource` (RFC 8707), repeated in forms.
    pub resources: Vec<String>,
    /// Additional parameters, in this order, after all others.
    pub parameters: Vec<RequestParameter>,
    /// Additional headers. Their values are treated as confidential, because API keys may be among them.
    pub headers: Vec<RequestHeader>,
    /// The method. With GET, all parameters are in the query and there is no body.
    pub method: RequestMethod,
    /// How parameters are encoded, unless the method is GET.
    pub body_format: BodyFormat,
}

/// An additional parameter.
#[derive(Clone)]
pub struct RequestParameter {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Secret,
    /// Whether the value is from a Secret or is a token.
    pub is_confidential: bool,
    /// The type of the value in a JSON body.
    pub type_: ParameterType,
    /// Body or query.
    pub place: ParameterPlace,
}

/// An additional header.
#[derive(Clone)]
pub struct RequestHeader {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Secret,
    /// Whether the value is from a Secret or is a token.
    pub is_confidential: bool,
}

/// A grant with its own parameters.
#[derive(Clone)]
#[allow(missing_docs)] // the fields are those parameters
pub enum Grant {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3. RFC 9700 §2.4 forbids it, but some providers support no other.
    Password { username: Secret, password: Secret },
    /// RFC 6749 §6.
    RefreshToken { token: Secret },
    /// RFC 7523 §2.1. If the assertion has a `scope` claim, the request has no `scope` parameter.
    JwtBearer { assertion: Assertion },
    /// RFC 7521 §4.1, with an assertion of another issuer. `grant_type` names the format of the assertion.
    IssuedAssertion { grant_type: String, assertion: Secret },
    /// RFC 8693 §2.1.
    TokenExchange { subject: TypedToken, actor: Option<TypedToken>, requested_token_type: Option<String> },
    /// A request without `grant_type`, as some providers expect it.
    None,
    /// RFC 6749 §4.5, or a vendor's own grant. Its parameters are [`TokenRequest::parameters`].
    Extension { grant_type: String },
}

/// A token with the URN of its type (RFC 8693 §3).
#[derive(Clone)]
#[allow(missing_docs)] // token and type
pub struct TypedToken {
    pub token: Secret,
    pub type_: String,
}

/// The kind of a grant, on which the meaning of an error code depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 6749 §4.3. Accounts can be locked.
    Password,
    /// RFC 6749 §6 as the grant of the spec, with a refresh token that the user provided.
    RefreshToken,
    /// RFC 6749 §6 with a refresh token from the response to another grant.
    Refresh,
    /// An assertion (RFC 7521) as the grant, or as the client authentication of a client credentials grant: the provider may
    /// refuse the assertion.
    JwtBearer,
    /// RFC 8693.
    TokenExchange,
    /// A vendor's own grant, or none.
    Extension,
}

/// The client (RFC 6749 §2).
#[derive(Clone)]
pub struct Client {
    /// `client_id`, if there is one. Not confidential (RFC 6749 §2.2).
    pub id: Option<String>,
    /// How the client authenticates.
    pub authentication: ClientAuthentication,
    /// Whether `client_id` is sent as a parameter.
    pub send_client_id: SendClientId,
}

/// How the client authenticates. A request has exactly one method (RFC 6749 §2.3) and is never repeated with another one,
/// because every attempt may count towards a quota or a lock.
#[derive(Clone)]
#[allow(missing_docs)] // `secret` is the client secret
pub enum ClientAuthentication {
    /// `client_secret_basic`: an `Authorization` header.
    Basic { secret: Secret, encoding: BasicEncoding },
    /// `client_secret_post`: a parameter.
    Post { secret: Secret },
    /// `client_secret_jwt` or `private_key_jwt` (RFC 7523 §2.2): the parameter `client_assertion`, signed for each request.
    Assertion(Assertion),
    /// An assertion from another issuer (RFC 7521 §4.2), such as the token of a Kubernetes ServiceAccount. Sent as the
    /// parameter `client_assertion`, too.
    IssuedAssertion { token: Secret },
    /// `bearer_token`: a token in the `Authorization` header (RFC 6750 §2.1).
    Bearer { token: Secret },
    /// `bearer_token` with a JWT that is signed for each request.
    BearerAssertion(Assertion),
    /// `tls_client_auth` (RFC 8705 §2.1): the certificate of the connection authenticates the client that `client_id` names.
    MutualTls,
    /// `none`: a public client.
    None,
}

/// A request that is ready to be sent.
pub struct HttpRequest {
    /// POST (RFC 6749 §3.2), unless the provider wants GET.
    pub method: RequestMethod,
    /// The endpoint, with the parameters that belong in its query. Checked by [`Endpoint::parse`].
    pub endpoint: Endpoint,
    /// All headers except those that HTTP adds (Host, Content-Length). Confidential values are marked as sensitive.
    pub headers: HeaderMap,
    /// The body, which is wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    /// The assertions that were signed for this request. No text that is shown may contain them.
    pub signed: Vec<Secret>,
}

/// Builds a request.
///
/// Order of parameters: `grant_type`, client authentication, the grant's own, `scope`, `audience`, `resource`, then
/// [`TokenRequest::parameters`]. The signing context affects assertions only.
///
/// [`Error::Credential`] if an id, a secret, a key, a certificate or a confidential header value cannot be used,
/// [`Error::Spec`] if another parameter, header or claim cannot.
pub fn build(request: &TokenRequest, context: &SigningContext) -> Result<HttpRequest, Error> {
    let signed = SignedAssertions::of(request, context)?;
    let members = members::list(request, &signed)?;
    let in_body = || members.iter().filter(|member| member.place == ParameterPlace::Body);
    let all_in_query = request.method == RequestMethod::Get || request.body_format == BodyFormat::Query;
    let in_query = |member: &&members::Member<'_>| all_in_query || member.place == ParameterPlace::Query;
    Ok(HttpRequest {
        method: request.method,
        endpoint: request
            .endpoint
            .with_query(members.iter().filter(in_query).map(|member| (member.name, member.plain()))),
        headers: headers::build(request, &signed)?,
        body: match request.body_format {
            _ if all_in_query => Zeroizing::default(),
            BodyFormat::Json => body::json(in_body()),
            BodyFormat::Form | BodyFormat::Query => body::form(in_body()),
        },
        signed: signed.client.into_iter().chain(signed.bearer).chain(signed.grant).collect(),
    })
}

/// The signed assertions of a request. Assertions are signed first, so that parameters can borrow from memory that is wiped.
#[derive(Default)]
struct SignedAssertions {
    client: Option<Secret>,
    bearer: Option<Secret>,
    grant: Option<Secret>,
}

impl SignedAssertions {
    fn of(request: &TokenRequest, context: &SigningContext) -> Result<Self, Error> {
        let mut signed = Self::default();
        match &request.client.authentication {
            ClientAuthentication::Assertion(assertion) => {
                signed.client = Some(assertion.sign(context.now, &context.nonce)?);
            }
            ClientAuthentication::BearerAssertion(assertion) => {
                signed.bearer = Some(assertion.sign(context.now, &context.nonce)?);
            }
            _ => {}
        }
        if let Grant::JwtBearer { assertion } = &request.grant {
            // A request may have both assertions. A server that remembers each `jti` would take equal values for a replay.
            signed.grant = Some(assertion.sign(context.now, &format!("{}-grant", context.nonce))?);
        }
        Ok(signed)
    }
}

/// Removes the line end that `echo` appends to files. A second line end, or a space, may belong to the secret and is kept.
pub fn trim_one_newline(text: &str) -> &str {
    match text.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => text,
    }
}

impl Grant {
    /// The value of `grant_type`; None if the request has no such parameter.
    pub fn grant_type(&self) -> Option<&str> {
        Some(match self {
            Grant::ClientCredentials => "client_credentials",
            Grant::Password { .. } => "password",
            Grant::RefreshToken { .. } => "refresh_token",
            Grant::JwtBearer { .. } => JWT_BEARER,
            Grant::TokenExchange { .. } => TOKEN_EXCHANGE,
            Grant::IssuedAssertion { grant_type, .. } | Grant::Extension { grant_type } => grant_type,
            Grant::None => return None,
        })
    }
}

impl Client {
    /// The id, for methods that need one.
    fn required_id(&self) -> Result<&str, Error> {
        let missing = || Error::credential("client_id is missing, and this client authentication needs it");
        self.id.as_deref().ok_or_else(missing)
    }

    /// The id as a parameter, if it is sent as one.
    fn id_parameter(&self) -> Result<Option<&str>, Error> {
        match (self.send_client_id, &self.authentication) {
            (SendClientId::Never, _)
            | (
                SendClientId::Auto,
                ClientAuthentication::Basic { .. }
                | ClientAuthentication::Bearer { .. }
                | ClientAuthentication::BearerAssertion(_),
            ) => Ok(None),
            // The id is optional here: a public client may have none, and an assertion of another issuer may already name
            // the client.
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
