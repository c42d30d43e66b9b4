//! The page that compares brokers: one HTML file with everything inside, which opens from a disk and asks no
//! network for anything.
//!
//! In: a [`Matrix`] and the scenarios' texts. Out: the file's text; the same input gives the same bytes. What brokers
//! sent is no one's text: it is in the page as packed JSON only, and the page's script puts it in place as text and
//! never as HTML.

mod data;
mod pool;
mod scripts;
mod talk;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::matrix::Matrix;

pub use scripts::{Script, Scripts};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = concat!(include_str!("css/base.css"), include_str!("css/detail.css"));
/// In the order in which they use each other.
const SCRIPT: &str = concat!(
    include_str!("js/base.js"),
    include_str!("js/model.js"),
    include_str!("js/summary.js"),
    include_str!("js/table.js"),
    include_str!("js/packet.js"),
    include_str!("js/ladder.js"),
    include_str!("js/detail.js"),
    include_str!("js/main.js"),
);

/// The whole page.
pub fn page(matrix: &Matrix, scripts: &Scripts) -> String {
    let labels: Vec<&str> = matrix.columns.iter().map(|c| c.label.as_str()).collect();
    let title = match labels.as_slice() {
        [one] => format!("MQTT conformance of {one}"),
        many => format!("MQTT conformance of {} {}s", many.len(), matrix.noun()),
    };
    let data = packed(&data::data(matrix, scripts));
    // Every place in one pass: what is put in is not looked at again.
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
    let mut rest = PAGE;
    while let Some((before, behind)) = rest.split_once("{{") {
        let (name, behind) = behind.split_once("}}").expect("a place in the page's frame is closed");
        page.push_str(before);
        page.push_str(&match name {
            "title" => escaped(&title),
            "noun" => matrix.noun().to_owned(),
            "style" => STYLE.to_owned(),
            "script" => SCRIPT.to_owned(),
            "data" => data.clone(),
            other => panic!("the page's frame has a place `{other}`"),
        });
        rest = behind;
    }
    page.push_str(rest);
    page
}

/// Packed as gzip, in letters that mean nothing to HTML. Exchanges repeat themselves: a tenth is left.
fn packed(json: &str) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let bytes = gzip.write_all(json.as_bytes()).and_then(|()| gzip.finish());
    BASE64.encode(bytes.expect("nothing fails that is written to memory"))
}

/// Text in HTML that stays text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::super::model::Run;
    use super::super::testing;
    use super::*;

    fn data_of(page: &str) -> Json {
        let begin = "<script type=\"application/gzip\" id=\"data\">";
        let data = page.split(begin).nth(1).unwrap().split("</script>").next().unwrap();
        let bytes = BASE64.decode(data).unwrap();
        serde_json::from_reader(flate2::read::GzDecoder::new(bytes.as_slice())).unwrap()
    }

    fn of(records: Vec<Run>) -> String {
        page(&Matrix::new(records, []), &Scripts::default())
    }

    #[test]
    fn everything_is_in_the_file() {
        let text = of(vec![Run::from(&testing::run())]);
        assert!(text.starts_with("<!doctype html>"));
        // Nothing is fetched: addresses of other places occur in the words of the standard's SVG name alone.
        for outside in ["src=", "@import", "url(", "<link", "fetch(", "XMLHttpRequest"] {
            assert!(!text.contains(outside), "{outside}");
        }
        assert_eq!(
            text.matches("http://").count(),
            text.matches("http://www.w3.org/2000/svg").count()
        );
        assert!(text.contains("default-src 'none'"));
    }

    #[test]
    fn the_same_results_give_the_same_page() {
        let record = Run::from(&testing::run());
        assert_eq!(
            of(vec![record.clone(), record.clone()]),
            of(vec![record.clone(), record])
        );
    }

    #[test]
    fn what_a_broker_sends_cannot_leave_its_place() {
        let evil = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>{{script}}&amp;";
        let mut run = testing::run();
        run.target.name = evil.to_owned();
        run.notes = vec![evil.to_owned()];
        for case in &mut run.cases {
            case.reason = Some(evil.to_owned());
            case.log = Some(evil.to_owned());
            case.title = evil.to_owned();
        }
        let text = of(vec![Run::from(&run)]);
        // The page's own two scripts are all there is.
        assert_eq!(text.matches("<script").count(), 2);
        assert_eq!(text.matches("</script").count(), 2);
        assert!(!text.contains("<img") && !text.contains("<!--<"));
        let data = data_of(&text);
        assert_eq!(data["brokers"][0]["label"], evil);
        assert_eq!(data["cases"][0]["title"], evil);
        assert_eq!(data["cases"][0]["cells"][0]["log"], evil);
    }

    #[test]
    fn two_brokers_that_do_the_same_cost_hardly_more_than_one() {
        let record = Run::from(&testing::run());
        let one = data_of(&of(vec![record.clone()]));
        let two = data_of(&of(vec![record.clone(), record]));
        for table in ["talks", "entries", "packets", "words"] {
            assert_eq!(one[table], two[table], "{table}");
        }
        assert_eq!(one["talks"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn no_folder_of_the_user_is_in_the_page() {
        let of_target = |argument: &str, options: &[&str]| {
            let mut run = testing::run();
            run.target.argument = Some(argument.to_owned());
            run.target.options = options.iter().map(|&word| word.to_owned()).collect();
            let data = data_of(&of(vec![Run::from(&run)]));
            let broker = &data["brokers"][0];
            (broker["argument"].clone(), broker["options"].clone())
        };
        let (argument, options) = of_target("/home/me/broker.yaml", &["--also", "/home/me/mine/", "--strict"]);
        assert_eq!(argument, "broker.yaml");
        assert_eq!(options, serde_json::json!(["--also", "mine", "--strict"]));
        assert_eq!(of_target(r"C:\Users\me\broker.yaml", &[]).0, "broker.yaml");
        // What names no folder of a user stays as it was typed.
        for kept in [
            "ci/brokers/mosquitto.yaml",
            "mqtt://127.0.0.1:1883",
            "unix:/run/mqtt.sock",
        ] {
            assert_eq!(of_target(kept, &[]).0, kept);
        }
    }

    #[test]
    fn no_password_is_in_the_page() {
        let text = data_of(&of(vec![Run::from(&testing::run())])).to_string();
        assert!(text.contains("CONNECT"));
        assert!(!text.contains("secret") && !text.contains(&hex::encode("secret")));
    }
}
