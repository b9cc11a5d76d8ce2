//! The field `auth`: `username:password` in base64.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::entry_error::EntryError;
use crate::credential::Credential;

/// Go ignores the bits that the last character leaves over.
const LAX: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
const PADDED: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    LAX.with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);
const UNPADDED: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, LAX.with_decode_padding_mode(DecodePaddingMode::RequireNone));

/// Decodes the field as a kubelet does. It must hold a credential.
pub(super) fn decode(field: &str) -> Result<Credential, EntryError> {
    let pair = String::from_utf8(pair(field)?).map_err(|_| EntryError::AuthNotUtf8)?;
    let (username, password) = pair.split_once(':').ok_or(EntryError::AuthWithoutColon)?;
    Ok(Credential::new(username, password)?)
}

/// Decodes the base64 of the field as a kubelet does.
///
/// It is padded if it ends in `=`. Line breaks are skipped, because `base64` without `-w0` writes them; any other white
/// space is an error.
pub(super) fn pair(field: &str) -> Result<Vec<u8>, EntryError> {
    let field: String = field.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let engine = if field.ends_with('=') { PADDED } else { UNPADDED };
    engine.decode(field).map_err(|_| EntryError::AuthNotBase64)
}

/// Encodes the field, padded.
pub(super) fn encode(credential: &Credential) -> String {
    PADDED.encode(format!("{}:{}", credential.username(), credential.password()))
}
