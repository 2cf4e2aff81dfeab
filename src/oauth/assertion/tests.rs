//! Signs with every algorithm and every form of key and verifies the signatures. No refusal shows a byte of a key.

use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;

use super::*;
use crate::api::reason::Reason;

const SHARED: &str = "canary+shared/secret=of&sixty-four*bytes~0123456789abcdefghijklm";

/// A private key in one of its PEM forms, with its public half.
struct Key {
    form: &'static str,
    pem: String,
    public: Vec<u8>,
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"))
}

fn rsa() -> [Key; 2] {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    // For 2048 bits, the PKCS#1 key follows 26 bytes of the PKCS#8 structure.
    let pkcs1 = pem("RSA PRIVATE KEY", &pkcs8.as_ref()[26..]);
    [
        Key { form: "RSA in PKCS#8", pem: pem("PRIVATE KEY", pkcs8.as_ref()), public: public.clone() },
        Key { form: "RSA in PKCS#1", pem: pkcs1, public },
    ]
}

fn ec(curve: &'static EcdsaSigningAlgorithm) -> [Key; 2] {
    let pair = EcdsaKeyPair::generate(curve).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
    let parameters = pem("EC PARAMETERS", b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
    [
        Key {
            form: "EC in PKCS#8",
            pem: pem("PRIVATE KEY", pair.to_pkcs8v1().unwrap().as_ref()),
            public: public.clone(),
        },
        // The form that `openssl ecparam -genkey` writes: the curve is in a block of its own before the key.
        Key {
            form: "EC in SEC1",
            pem: format!("{parameters}\n{}", pem("EC PRIVATE KEY", sec1.as_ref())),
            public,
        },
    ]
}

fn ed25519() -> Key {
    let pair = Ed25519KeyPair::generate().unwrap();
    let pkcs8 = pair.to_pkcs8v1().unwrap();
    Key {
        form: "Ed25519 in PKCS#8",
        pem: pem("PRIVATE KEY", pkcs8.as_ref()),
        public: pair.public_key().as_ref().to_vec(),
    }
}

/// An assertion with as few claims as possible.
pub(crate) fn assertion(algorithm: JsonWebAlgorithm, key: &str) -> Assertion {
    Assertion {
        algorithm,
        key: Secret::new(key.to_owned()),
        key_id: None,
        certificate: None,
        headers: BTreeMap::new(),
        issuer: "me".to_owned(),
        subject: Some("me".to_owned()),
        audience: Some("https://a.example/token".to_owned()),
        lifetime: Assertion::DEFAULT_LIFETIME,
        backdate: Assertion::DEFAULT_BACKDATE,
        not_before: false,
        scope: None,
        claims: Map::new(),
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap()
}

fn signed(assertion: &Assertion) -> String {
    match assertion.sign(now(), "n0nce") {
        Ok(text) => text.expose().to_owned(),
        Err(error) => panic!("{error}"),
    }
}

fn refusal(assertion: &Assertion) -> (Reason, String) {
    match assertion.sign(now(), "n0nce") {
        Ok(_) => panic!("it was signed"),
        Err(error) => (error.reason(), error.to_string()),
    }
}

/// Header, claims, signed text, and signature.
fn parts(text: &str) -> (Value, Value, String, Vec<u8>) {
    let pieces: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = pieces[..] else { panic!("three parts: {text}") };
    let decode = |piece: &str| URL_SAFE_NO_PAD.decode(piece).unwrap();
    let json = |piece: &str| serde_json::from_slice(&decode(piece)).unwrap();
    (json(header), json(claims), format!("{header}.{claims}"), decode(signature))
}

#[test]
fn asymmetric_algorithms_sign_with_every_form_of_key() {
    let (rsa, p256, p384) =
        (rsa(), ec(&ECDSA_P256_SHA256_FIXED_SIGNING), ec(&ECDSA_P384_SHA384_FIXED_SIGNING));
    let p521 = ec(&ECDSA_P521_SHA512_FIXED_SIGNING);
    let ed25519 = [ed25519()];
    let cases: [(JsonWebAlgorithm, &[Key], &'static dyn VerificationAlgorithm); 10] = [
        (JsonWebAlgorithm::RS256, &rsa, &signature::RSA_PKCS1_2048_8192_SHA256),
        (JsonWebAlgorithm::RS384, &rsa, &signature::RSA_PKCS1_2048_8192_SHA384),
        (JsonWebAlgorithm::RS512, &rsa, &signature::RSA_PKCS1_2048_8192_SHA512),
        (JsonWebAlgorithm::PS256, &rsa, &signature::RSA_PSS_2048_8192_SHA256),
        (JsonWebAlgorithm::PS384, &rsa, &signature::RSA_PSS_2048_8192_SHA384),
        (JsonWebAlgorithm::PS512, &rsa, &signature::RSA_PSS_2048_8192_SHA512),
        (JsonWebAlgorithm::ES256, &p256, &signature::ECDSA_P256_SHA256_FIXED),
        (JsonWebAlgorithm::ES384, &p384, &signature::ECDSA_P384_SHA384_FIXED),
        (JsonWebAlgorithm::ES512, &p521, &signature::ECDSA_P521_SHA512_FIXED),
        (JsonWebAlgorithm::EdDSA, &ed25519, &signature::ED25519),
    ];
    for (algorithm, keys, verifier) in cases {
        for key in keys {
            let (header, claims, message, signature) = parts(&signed(&assertion(algorithm, &key.pem)));
            assert_eq!(header, json!({"alg": format!("{algorithm:?}"), "typ": "JWT"}));
            assert_eq!(claims["jti"], "n0nce");
            let verified =
                UnparsedPublicKey::new(verifier, &key.public).verify(message.as_bytes(), &signature);
            assert!(verified.is_ok(), "{algorithm:?} with {}", key.form);
        }
    }
}

/// Key and signature of RFC 7515, appendix A.4. They check the verifier of the other tests with values that this library has
/// not made.
#[test]
fn es512_is_that_of_the_rfc() {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let x = "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk";
    let y = "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2";
    let d = "AY5pb7A0UFiB3RELSD64fTLOSV_jazdF7fLYyuTw8lOfRhWg6Y6rUrPAxerEzgdRhajnu0ferB0d53vM9mE15j2C";
    let published = "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    let message = b"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA";
    let public = [vec![4], decode(x), decode(y)].concat();
    let verifier = UnparsedPublicKey::new(&signature::ECDSA_P521_SHA512_FIXED, &public);
    verifier.verify(message, &decode(published)).unwrap();

    // RFC 5915: version, the key, the curve's identifier, the public half.
    let sec1 = [
        b"\x30\x81\xdc\x02\x01\x01\x04\x42".to_vec(),
        decode(d),
        b"\xa0\x07\x06\x05\x2b\x81\x04\x00\x23\xa1\x81\x89\x03\x81\x86\x00".to_vec(),
        public.clone(),
    ];
    let key = Secret::new(pem("EC PRIVATE KEY", &sec1.concat()));
    let signature = super::signature::sign(JsonWebAlgorithm::ES512, &key, message).unwrap();
    assert_eq!(signature.len(), 132);
    verifier.verify(message, &signature).unwrap();
}

#[test]
fn symmetric_algorithms_sign_with_the_shared_secret() {
    let cases = [
        (JsonWebAlgorithm::HS256, hmac::HMAC_SHA256),
        (JsonWebAlgorithm::HS384, hmac::HMAC_SHA384),
        (JsonWebAlgorithm::HS512, hmac::HMAC_SHA512),
    ];
    for (algorithm, hash) in cases {
        let (header, _, message, signature) = parts(&signed(&assertion(algorithm, SHARED)));
        assert_eq!(header["alg"], format!("{algorithm:?}"));
        let key = hmac::Key::new(hash, SHARED.as_bytes());
        assert!(hmac::verify(&key, message.as_bytes(), &signature).is_ok(), "{algorithm:?}");
    }
}

/// The signature was computed with Python's `hmac`.
#[test]
fn assertion_has_exactly_the_expected_bytes() {
    let text = signed(&assertion(JsonWebAlgorithm::HS256, SHARED));
    let (_, claims, ..) = parts(&text);
    let expected = r#"{"aud":"https://a.example/token","exp":1767225650,"iat":1767225590,"iss":"me","jti":"n0nce","sub":"me"}"#;
    assert_eq!(claims.to_string(), expected);
    assert_eq!(text, GOLDEN);
}

const GOLDEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
    eyJhdWQiOiJodHRwczovL2EuZXhhbXBsZS90b2tlbiIsImV4cCI6MTc2NzIyNTY1MCwiaWF0IjoxNzY3MjI1NTkwLCJpc3MiOiJtZSIsImp0aSI6Im4wbmNlIiwic3ViIjoibWUifQ.\
    cCl4k7SI1dzPN5nTTaD9N9oxcbcjUo26VrTezvWQaic";

#[test]
fn header_and_claims_have_the_given_values() {
    let further = json!({"nbf": 1, "https://example.com/tenant": {"id": [1, "two"]}});
    let assertion = Assertion {
        key_id: Some("key-1".to_owned()),
        issuer: "issuer".to_owned(),
        subject: Some("subject".to_owned()),
        audience: Some("account.example".to_owned()),
        lifetime: Duration::from_secs(3600),
        scope: Some("signature impersonation".to_owned()),
        claims: further.as_object().unwrap().clone(),
        ..assertion(JsonWebAlgorithm::HS256, SHARED)
    };
    let (header, claims, ..) = parts(&signed(&assertion));
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT", "kid": "key-1"}));
    let expected = json!({
        "iss": "issuer", "sub": "subject", "aud": "account.example", "jti": "n0nce",
        "iat": 1_767_225_590, "exp": 1_767_229_190, "scope": "signature impersonation",
        "nbf": 1, "https://example.com/tenant": {"id": [1, "two"]},
    });
    assert_eq!(claims, expected);
    let (_, claims, ..) = parts(&signed(&Assertion { subject: None, ..assertion.clone() }));
    assert!(claims.get("sub").is_none() && claims.get("iss").is_some(), "{claims}");
    let (_, claims, ..) = parts(&signed(&Assertion { audience: None, ..assertion }));
    assert!(claims.get("aud").is_none() && claims.get("sub").is_some(), "{claims}");
}

#[test]
fn dates_are_set_back_as_far_as_asked() {
    let plain = assertion(JsonWebAlgorithm::HS256, SHARED);
    for (seconds, issued) in [(0, 1_767_225_600), (60, 1_767_225_540)] {
        let assertion = Assertion {
            backdate: Duration::from_secs(seconds),
            lifetime: Duration::from_secs(120),
            not_before: true,
            ..plain.clone()
        };
        let (_, claims, ..) = parts(&signed(&assertion));
        let dates = [&claims["iat"], &claims["nbf"], &claims["exp"]].map(|date| date.as_i64().unwrap());
        assert_eq!(dates, [issued, issued, issued + 120]);
    }
    let mut twice = Assertion { not_before: true, ..plain };
    twice.claims.insert("nbf".to_owned(), 1.into());
    assert!(refusal(&twice).1.contains("nbf"));
}

#[test]
fn further_header_members_override_the_type_alone() {
    let members = [("typ", "client-authentication+jwt"), ("tenant", "t"), ("alg", "none"), ("kid", "other")];
    let assertion = Assertion {
        key_id: Some("own".to_owned()),
        headers: members.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..assertion(JsonWebAlgorithm::HS256, SHARED)
    };
    let (header, ..) = parts(&signed(&assertion));
    let expected = json!({"alg": "HS256", "kid": "own", "tenant": "t", "typ": "client-authentication+jwt"});
    assert_eq!(header, expected);
}

#[test]
fn thumbprint_is_that_of_the_first_certificate() {
    let certificate = |name: &str| {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap()
    };
    let (own, other) = (certificate("own.example"), certificate("other.example"));
    let chained = |pem: String, headers| Assertion {
        certificate: Some((pem, headers)),
        ..assertion(JsonWebAlgorithm::HS256, SHARED)
    };
    let all = CertificateHeaders { x5t: true, x5t_s256: true, x5c: true };
    // A user may store key and certificate as one text.
    let key = rsa()[0].pem.clone();
    let (header, ..) = parts(&signed(&chained(format!("{}\n{key}\n{}", own.pem(), other.pem()), all)));
    // RFC 7515 §4.1.8, computed with another library.
    let digest = sha2::Sha256::digest(own.der());
    assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(digest));
    assert_eq!(URL_SAFE_NO_PAD.decode(header["x5t"].as_str().unwrap()).unwrap().len(), 20);
    assert_eq!(header["x5c"], json!([STANDARD.encode(own.der()), STANDARD.encode(other.der())]));
    for alone in [
        CertificateHeaders { x5t: true, ..CertificateHeaders::default() },
        CertificateHeaders { x5c: true, ..CertificateHeaders::default() },
    ] {
        let (header, ..) = parts(&signed(&chained(own.pem(), alone)));
        let present = ["x5t", "x5t#S256", "x5c"].map(|name| header.get(name).is_some());
        assert_eq!(present, [alone.x5t, false, alone.x5c]);
    }
    let (_, message) = refusal(&chained(own.pem().repeat(11), all));
    assert!(message.contains("more than 10 certificates"), "{message}");

    let (reason, message) = refusal(&chained("canary".to_owned(), all));
    assert_eq!(reason, Reason::CredentialsInvalid);
    assert!(message.contains("BEGIN CERTIFICATE") && !message.contains("canary"), "{message}");
}

#[test]
fn additional_claims_that_other_fields_set_are_refused() {
    for name in ["iss", "sub", "aud", "exp", "iat", "jti"] {
        let mut assertion = assertion(JsonWebAlgorithm::HS256, SHARED);
        assertion.claims.insert(name.to_owned(), 1.into());
        let (reason, message) = refusal(&assertion);
        assert_eq!(reason, Reason::InvalidSpec);
        assert!(message.contains(name), "{message}");
    }
    let mut assertion = assertion(JsonWebAlgorithm::HS256, SHARED);
    assertion.claims.insert("scope".to_owned(), "mine".into());
    assert_eq!(parts(&signed(&assertion)).1["scope"], "mine", "no other field sets it");
    assertion.scope = Some("read".to_owned());
    assert_eq!(refusal(&assertion).0, Reason::InvalidSpec);
}

#[test]
fn keys_that_do_not_fit_are_refused_and_not_shown() {
    let ([rsa, _], [ec, sec1]) = (rsa(), ec(&ECDSA_P256_SHA256_FIXED_SIGNING));
    let damaged = rsa.pem.replacen("MII", "QUF", 1);
    let cases = [
        (JsonWebAlgorithm::ES256, rsa.pem.clone(), "P-256"),
        (JsonWebAlgorithm::RS256, ec.pem.clone(), "an RSA key"),
        (JsonWebAlgorithm::PS256, sec1.pem.clone(), "an RSA key"),
        (JsonWebAlgorithm::ES384, ec.pem.clone(), "P-384"),
        (JsonWebAlgorithm::ES384, sec1.pem, "P-384"),
        (JsonWebAlgorithm::EdDSA, ec.pem, "Ed25519"),
        (JsonWebAlgorithm::RS256, damaged, "an RSA key"),
        (JsonWebAlgorithm::RS256, rsa.pem.replace('\n', "\\n"), "line ends"),
        (JsonWebAlgorithm::RS256, rsa.pem.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), "-nocrypt"),
        (
            JsonWebAlgorithm::RS256,
            rsa.pem.replace("PRIVATE KEY", "OPENSSH PRIVATE KEY"),
            "openssl pkcs8 -topk8 -nocrypt",
        ),
        (JsonWebAlgorithm::RS256, rsa.pem.replace("-----END", "----"), "openssl pkcs8 -topk8 -nocrypt"),
        (JsonWebAlgorithm::RS256, "canary".to_owned(), "-----BEGIN PRIVATE KEY-----"),
    ];
    for (algorithm, key, named) in cases {
        let (reason, message) = refusal(&assertion(algorithm, &key));
        assert_eq!(reason, Reason::CredentialsInvalid);
        assert!(message.contains(named), "{message}");
        for line in key.lines().filter(|line| !line.starts_with("---")) {
            assert!(!message.contains(line), "{message}");
        }
    }
}

#[test]
fn rsa_key_of_8192_bits_is_refused() {
    let key = Secret::new(include_str!("tests/rsa8192.pem").to_owned());
    let error = super::signature::sign(JsonWebAlgorithm::RS512, &key, b"a message").unwrap_err();
    assert!(error.to_string().contains("2048 to 4096 bits"), "{error}");
}
