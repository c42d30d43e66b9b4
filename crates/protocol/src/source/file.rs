//! The text of a file of bounded size, whatever the name leads to.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::yaml::MAX_FILE;

/// Reads a text file.
///
/// # Errors
/// What is wrong with the file, in words: it cannot be read, is no regular file, is longer than [`MAX_FILE`], or is not
/// UTF-8. No more than [`MAX_FILE`] bytes are ever read.
pub fn read_file(file: &Path) -> Result<String, String> {
    let unreadable = |e: std::io::Error| format!("the file cannot be read: {e}");
    let metadata = fs::metadata(file).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err("this is a folder, not a file".to_owned());
    }
    if !metadata.is_file() {
        return Err("this is no regular file".to_owned());
    }
    let too_large = || format!("the file is larger than {MAX_FILE} bytes");
    if metadata.len() > MAX_FILE as u64 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let mut limited = fs::File::open(file).map_err(unreadable)?.take(MAX_FILE as u64 + 1);
    limited.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE {
        return Err(too_large());
    }
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        format!("the file is not text: byte {at} is no UTF-8")
    })
}
