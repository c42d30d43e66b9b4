//! What is inside an HTML page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value as Json;

/// The data of a page, unpacked.
pub fn data(page: &str) -> Json {
    let data = page.split("id=\"data\">").nth(1).expect("a page has data");
    let data = data.split("</script>").next().expect("it ends");
    let bytes = BASE64.decode(data).expect("it is base64");
    serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).expect("it is JSON")
}
