use std::{fs, path::PathBuf, sync::Arc};

use chatcluster_config::{Auth, JwtAlgorithm, JwtKey};
use chatcluster_protocol::{Millis, client::ErrorCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

const NOW: Millis = 1_700_000_000_000;
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

struct Keys {
    folder: TempDir,
    rsa: rcgen::KeyPair,
    ec: rcgen::KeyPair,
}

impl Keys {
    fn new() -> Self {
        let rsa =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        let keys = Self {
            folder: tempfile::tempdir().unwrap(),
            rsa: rsa.unwrap(),
            ec: rcgen::KeyPair::generate().unwrap(),
        };
        fs::write(keys.file("hs"), SECRET).unwrap();
        fs::write(keys.file("rs"), keys.rsa.public_key_pem()).unwrap();
        fs::write(keys.file("es"), keys.ec.public_key_pem()).unwrap();
        keys
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn auth(&self) -> Auth {
        let key = |algorithm, file, id: Option<&str>| JwtKey {
            algorithm,
            file: self.file(file),
            id: id.map(str::to_owned),
        };
        Auth {
            keys: vec![
                key(JwtAlgorithm::HS256, "hs", None),
                key(JwtAlgorithm::RS256, "rs", Some("rsa-1")),
                key(JwtAlgorithm::ES256, "es", None),
            ],
            issuer: Some("https://login.example".into()),
            audience: Some("chat".into()),
        }
    }

    fn verifier(&self) -> Verifier {
        let auth = self.auth();
        Verifier::new(&auth, Arc::new(Keyring::read(&auth.keys).unwrap()))
    }

    fn rsa_key(&self) -> EncodingKey {
        EncodingKey::from_rsa_pem(self.rsa.serialize_pem().as_bytes()).unwrap()
    }

    fn ec_key(&self) -> EncodingKey {
        EncodingKey::from_ec_pem(self.ec.serialize_pem().as_bytes()).unwrap()
    }
}

fn good() -> Value {
    json!({"sub": "alice", "iss": "https://login.example", "aud": "chat", "exp": NOW / 1000 + 60})
}

/// The good claims with some replaced; `null` removes one.
fn but(changes: Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn hs256(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

fn with_kid(algorithm: Algorithm, kid: &str) -> Header {
    Header { kid: Some(kid.into()), ..Header::new(algorithm) }
}

/// A token with any header, signed by nothing or by HMAC over `key`.
fn forged(header: Value, key: Option<&[u8]>) -> String {
    // The library signs only what it knows; its HS256 signature covers "header.claims" of our choice.
    let part = |value: &Value| {
        let token = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            value,
            &EncodingKey::from_secret(SECRET),
        );
        token.unwrap().split('.').nth(1).unwrap().to_owned()
    };
    let message = format!("{}.{}", part(&header), part(&good()));
    let signature = key.map(|key| {
        let key = EncodingKey::from_secret(key);
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
    });
    format!("{message}.{}", signature.unwrap_or_default())
}

#[test]
fn a_token_says_when_it_was_issued_if_it_does() {
    let verifier = Keys::new().verifier();
    for (claim, issued) in [
        (json!({}), None),
        (json!({"iat": NOW / 1000 - 5}), Some(NOW - 5_000)),
        (json!({"iat": (NOW / 1000) as f64 + 0.25}), Some(NOW + 250)),
    ] {
        assert_eq!(verifier.verify(&hs256(&but(claim)), NOW).unwrap().issued, issued);
    }
}

#[test]
fn good_tokens_of_every_algorithm_name_their_user() {
    let keys = Keys::new();
    let verifier = keys.verifier();
    let rs = with_kid(Algorithm::RS256, "rsa-1");
    let es = Header::new(Algorithm::ES256);
    let tokens = [
        hs256(&good()),
        hs256(&but(json!({"aud": ["other", "chat"]}))),
        hs256(&but(json!({"nbf": NOW / 1000 + 20}))),
        jsonwebtoken::encode(&rs, &good(), &keys.rsa_key()).unwrap(),
        jsonwebtoken::encode(&es, &good(), &keys.ec_key()).unwrap(),
    ];
    for token in tokens {
        let user = verifier.verify(&token, NOW).unwrap();
        assert_eq!((user.user.as_str(), user.expires), ("alice", NOW + 60_000), "{token}");
    }
}

#[test]
fn hostile_tokens_are_refused_with_the_right_code() {
    let keys = Keys::new();
    let verifier = keys.verifier();
    let rsa_pem = fs::read(keys.file("rs")).unwrap();
    let other = EncodingKey::from_secret(b"another secret of thirty-two bytes..");
    let other_ec = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let other_ec = EncodingKey::from_ec_pem(other_ec.as_bytes()).unwrap();
    let encode = |header, key| jsonwebtoken::encode(&header, &good(), key).unwrap();
    let mut stripped = hs256(&good());
    stripped.truncate(stripped.rfind('.').unwrap() + 1);
    let mut spliced = hs256(&but(json!({"sub": "mallory"})));
    spliced.replace_range(
        spliced.rfind('.').unwrap()..,
        &hs256(&good())[hs256(&good()).rfind('.').unwrap()..],
    );

    let bad = ErrorCode::BadToken;
    let cases = [
        ("nothing", String::new(), bad),
        ("no JWT", "a.b.c".into(), bad),
        ("alg none", forged(json!({"alg": "none"}), None), bad),
        ("alg None", forged(json!({"alg": "None"}), None), bad),
        ("signature stripped", stripped, bad),
        ("claims of one, signature of another", spliced, bad),
        ("wrong secret", encode(Header::new(Algorithm::HS256), &other), bad),
        ("wrong EC key", encode(Header::new(Algorithm::ES256), &other_ec), bad),
        (
            "HS512 over our secret",
            encode(Header::new(Algorithm::HS512), &EncodingKey::from_secret(SECRET)),
            bad,
        ),
        (
            "HMAC over the public RSA key",
            forged(json!({"alg": "RS256", "kid": "rsa-1"}), Some(&rsa_pem)),
            bad,
        ),
        (
            "HS256 naming the RSA key",
            forged(json!({"alg": "HS256", "kid": "rsa-1"}), Some(&rsa_pem)),
            bad,
        ),
        ("unknown kid", encode(with_kid(Algorithm::RS256, "rsa-2"), &keys.rsa_key()), bad),
        (
            "no kid where the key has one",
            encode(Header::new(Algorithm::RS256), &keys.rsa_key()),
            bad,
        ),
        ("wrong audience", hs256(&but(json!({"aud": "mail"}))), bad),
        ("no audience", hs256(&but(json!({"aud": null}))), bad),
        ("wrong issuer", hs256(&but(json!({"iss": "https://evil.example"}))), bad),
        ("no issuer", hs256(&but(json!({"iss": null}))), bad),
        ("not yet", hs256(&but(json!({"nbf": NOW / 1000 + 31}))), bad),
        ("no exp", hs256(&but(json!({"exp": null}))), bad),
        ("exp as text", hs256(&but(json!({"exp": "tomorrow"}))), bad),
        ("no sub", hs256(&but(json!({"sub": null}))), bad),
        ("sub as a number", hs256(&but(json!({"sub": 7}))), bad),
        ("sub with braces", hs256(&but(json!({"sub": "al{ice}"}))), bad),
        ("empty sub", hs256(&but(json!({"sub": ""}))), bad),
        ("expired a moment ago", hs256(&but(json!({"exp": NOW / 1000}))), ErrorCode::TokenExpired),
        ("expired before 1970", hs256(&but(json!({"exp": -1}))), ErrorCode::TokenExpired),
    ];
    for (what, token, code) in cases {
        let error = verifier.verify(&token, NOW).expect_err(what);
        assert_eq!(error.code(), code, "{what}: {error}");
    }
}

#[test]
fn without_an_audience_of_ours_a_token_for_somebody_else_is_refused() {
    let keys = Keys::new();
    let auth = Auth { audience: None, ..keys.auth() };
    let verifier = Verifier::new(&auth, Arc::new(Keyring::read(&auth.keys).unwrap()));
    assert!(verifier.verify(&hs256(&but(json!({"aud": null}))), NOW).is_ok());
    let error = verifier.verify(&hs256(&good()), NOW).unwrap_err();
    assert_eq!(error, TokenError::Claim("aud", "does not name this service"));
}

#[test]
fn keys_are_read_again_and_a_broken_file_keeps_the_old_ones() {
    let keys = Keys::new();
    let auth = keys.auth();
    let ring = Arc::new(Keyring::read(&auth.keys).unwrap());
    let verifier = Verifier::new(&auth, ring.clone());
    fs::write(keys.file("hs"), "short").unwrap();
    assert!(matches!(ring.reload(), Err(KeyError::TooShort(_))));
    assert!(verifier.verify(&hs256(&good()), NOW).is_ok());
    fs::write(keys.file("hs"), "quite another secret, long enough for us").unwrap();
    ring.reload().unwrap();
    assert_eq!(verifier.verify(&hs256(&good()), NOW), Err(TokenError::Signature));
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let keys = Keys::new();
    let mut auth = keys.auth();
    assert!(Keyring::read(&[]).err().unwrap().to_string().contains("auth.keys"));
    auth.keys[1].file = keys.file("hs");
    let error = Keyring::read(&auth.keys).err().unwrap().to_string();
    assert!(error.contains("RS256") && error.contains("hs"), "{error}");
    auth.keys[1].file = keys.file("missing");
    assert!(Keyring::read(&auth.keys).err().unwrap().to_string().contains("missing"));
}
