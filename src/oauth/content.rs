//! Bodies in an encoding that nobody asked for, made plain: some servers and gateways compress every answer, and each may
//! have cost a token. Knows content codings (RFC 9110 §8.4.1). Must not know what a body says.

use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use crate::panics::contain;

/// The body exceeds the limit once it is decoded.
pub(super) struct TooLarge;

/// Decodes a body in gzip or deflate, to at most `limit` bytes, and takes the header away that says so. A body in another
/// encoding, in several, or with a fault in it, stays as it came, with its header.
pub(super) fn decode(headers: &mut HeaderMap, body: Vec<u8>, limit: usize) -> Result<Vec<u8>, TooLarge> {
    let Some(coding) = coding(headers) else { return Ok(body) };
    // One byte beyond the limit tells a body that is too large from one that just fits.
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    // A library reads what the provider sent; of a fault in either, the body stays as it came.
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

/// The one encoding that the headers name, if it is known.
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
    fn known_encodings_are_decoded_and_others_left() {
        let token: &[u8] = br#"{"access_token":"a"}"#;
        let truncated = gzip(token).split_last().unwrap().1.to_vec();
        let cases = [
            ("gzip", "gzip", gzip(token), true),
            ("its old name, in upper case", "X-GZIP", gzip(token), true),
            ("deflate", "deflate", deflate(token), true),
            ("gzip and nothing", "gzip, identity", gzip(token), true),
            ("no encoding at all", "", token.to_vec(), true),
            ("one that was never there", "gzip", token.to_vec(), false),
            ("cut off", "gzip", truncated, false),
            ("twice", "gzip, gzip", gzip(&gzip(token)), false),
            ("unknown", "br", token.to_vec(), false),
        ];
        for (name, encoding, body, plain) in cases {
            let mut headers = HeaderMap::new();
            if !encoding.is_empty() {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            let came = body.clone();
            let Ok(decoded) = decode(&mut headers, body, LIMIT) else { panic!("{name}: too large") };
            assert_eq!(decoded, if plain { token.to_vec() } else { came }, "{name}");
            assert_eq!(headers.contains_key(CONTENT_ENCODING), !plain, "{name}");
        }
    }

    #[test]
    fn what_is_decoded_is_bounded() {
        let decoded = |length: usize| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            decode(&mut headers, gzip(&vec![b'x'; length]), LIMIT).ok().map(|body| body.len())
        };
        assert_eq!((decoded(LIMIT), decoded(LIMIT + 1), decoded(5_000_000)), (Some(LIMIT), None, None));
    }
}
