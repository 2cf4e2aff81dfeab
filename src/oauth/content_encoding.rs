//! Decodes response bodies that are compressed although the request did not accept compression: some servers and gateways
//! compress every response, and a response that is dropped may cost a token. Knows content codings (RFC 9110 §8.4.1).
//! Must not know what a body means.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use crate::panics::contain;

/// The decoded body exceeds the limit.
pub(super) struct TooLarge;

/// Decodes a gzip or deflate body to at most `limit` bytes and removes the header that names the encoding. A body that has
/// another encoding or several, or that cannot be decoded, is returned unchanged, with its header.
pub(super) fn decode(headers: &mut HeaderMap, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, TooLarge> {
    let Some(coding) = coding(headers) else { return Ok(body) };
    // One byte over the limit distinguishes a body that is too large from one that just fits.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    // The decoder is a library that reads the provider's bytes. If it panics, the body is returned unchanged.
    let decoded = contain(|| {
        let mut plain = Vec::new();
        let end = match coding {
            Coding::Gzip => MultiGzDecoder::new(body.as_slice()).take(most).read_to_end(&mut plain),
            Coding::Deflate => ZlibDecoder::new(body.as_slice()).take(most).read_to_end(&mut plain),
        };
        (plain, end.is_ok())
    });
    let Ok((plain, complete)) = decoded else { return Ok(body) };
    if plain.len() > limit {
        return Err(TooLarge);
    }
    if !complete {
        return Ok(body);
    }
    headers.remove(CONTENT_ENCODING);
    Ok(plain)
}

enum Coding {
    Gzip,
    Deflate,
}

/// The content coding, if the headers name exactly one and it is known.
fn coding(headers: &HeaderMap) -> Option<Coding> {
    let values = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("unreadable"));
    let mut names = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity"));
    let coding = match names.next()?.to_ascii_lowercase().as_str() {
        "gzip" | "x-gzip" => Coding::Gzip,
        "deflate" => Coding::Deflate,
        _ => return None,
    };
    names.next().is_none().then_some(coding)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use reqwest::header::HeaderValue;

    use super::*;

    const LIMIT: usize = 1000;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_and_deflate_are_decoded_and_other_encodings_are_kept() {
        let token: &[u8] = br#"{"access_token":"a"}"#;
        let truncated = gzip(token).split_last().unwrap().1.to_vec();
        let cases = [
            ("gzip", "gzip", gzip(token), true),
            ("its old name, in upper case", "X-GZIP", gzip(token), true),
            ("deflate", "deflate", deflate(token), true),
            ("gzip and identity", "gzip, identity", gzip(token), true),
            ("no encoding", "", token.to_vec(), true),
            ("gzip named for a plain body", "gzip", token.to_vec(), false),
            ("truncated gzip", "gzip", truncated, false),
            ("gzip twice", "gzip, gzip", gzip(&gzip(token)), false),
            ("an unknown encoding", "br", token.to_vec(), false),
        ];
        for (name, encoding, body, plain) in cases {
            let mut headers = HeaderMap::new();
            if !encoding.is_empty() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            let original = body.clone();
            let Ok(decoded) = decode(&mut headers, body, LIMIT) else { panic!("{name}: too large") };
            assert_eq!(decoded, if plain { token.to_vec() } else { original }, "{name}");
            assert_eq!(headers.contains_key(CONTENT_ENCODING), !plain, "{name}");
        }
    }

    #[test]
    fn decoded_body_over_the_limit_is_refused() {
        let decoded = |length: usize| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            decode(&mut headers, gzip(&vec![b'x'; length]), LIMIT).ok().map(|body| body.len())
        };
        assert_eq!((decoded(LIMIT), decoded(LIMIT + 1), decoded(5_000_000)), (Some(LIMIT), None, None));
    }
}
