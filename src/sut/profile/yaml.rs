//! The pass before serde: it refuses hostile YAML with bounded work, finds duplicate keys, and notes where every node stands.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, Span};

use super::error::Place;

/// How deep a profile may be nested. The parser behind serde takes time that grows with the square of the depth.
const MAX_DEPTH: usize = 8;
/// How many nodes a profile may have, every alias counted as what it stands for.
const MAX_NODES: usize = 20_000;
/// How many characters a key may have. Paths are made of keys, so this bounds the index of places.
const MAX_KEY: usize = 128;

/// Where each node of a file stands, by its path: `known[0].case`.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// The place of each value.
    values: HashMap<String, Place>,
    /// The place of each key of a map, by the path of its value.
    keys: HashMap<String, Place>,
}

impl Places {
    /// The place of the value at `path`.
    pub(super) fn value(&self, path: &str) -> Option<Place> {
        self.values.get(path).copied()
    }

    /// The place of the key that leads to `path`, or of the value where it has no key.
    pub(super) fn key(&self, path: &str) -> Option<Place> {
        self.keys.get(path).copied().or_else(|| self.value(path))
    }
}

/// What is wrong with the YAML, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

/// One open list or map.
struct Frame {
    path: String,
    anchor: usize,
    /// The nodes inside so far, aliases counted in full.
    weight: usize,
    inside: Inside,
}

enum Inside {
    List {
        next: usize,
    },
    /// A map, with the key that waits for its value.
    Map {
        seen: HashSet<String>,
        key: Option<String>,
    },
}

/// Reads the whole text once.
///
/// # Errors
/// YAML that is not well-formed, more than one document, a duplicate key, a key that is not plain text, or too much of
/// anything: depth, nodes, aliases.
pub(super) fn survey(text: &str) -> Result<Places, Refused> {
    let mut survey = Survey::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let marker = e.marker();
            Refused {
                place: Some(Place {
                    line: marker.line(),
                    column: marker.col() + 1,
                    length: 0,
                }),
                message: match e.info() {
                    // The scanner looks ahead and may meet its own limit first.
                    info if info.contains("recursion limit") => format!("nested more than {MAX_DEPTH} deep"),
                    info => format!("not well-formed YAML: {info}"),
                },
            }
        })?;
        survey.take(event, span)?;
    }
    Ok(survey.places)
}

#[derive(Default)]
struct Survey {
    places: Places,
    open: Vec<Frame>,
    /// How many nodes each anchor stands for.
    anchors: HashMap<usize, usize>,
    total: usize,
    documents: usize,
}

impl Survey {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Refused> {
        let place = place_of(span);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(refused(
                        place,
                        "a second YAML document begins here; a profile is one document",
                    ));
                }
            }
            Event::Scalar(text, _, anchor, _) => {
                if self.waits_for_key() {
                    self.take_key(&text, place)?;
                    return Ok(());
                }
                self.begin_value(place)?;
                self.add(1, anchor, place)?;
            }
            Event::Alias(anchor) => {
                if self.waits_for_key() {
                    return Err(refused(place, "an alias cannot be a key here"));
                }
                let Some(weight) = self.anchors.get(&anchor).copied() else {
                    return Err(refused(place, "an alias to the node that it stands in"));
                };
                self.begin_value(place)?;
                self.add(weight, 0, place)?;
            }
            Event::SequenceStart(anchor, _) => self.enter(anchor, Inside::List { next: 0 }, place)?,
            Event::MappingStart(anchor, _) => {
                self.enter(
                    anchor,
                    Inside::Map {
                        seen: HashSet::new(),
                        key: None,
                    },
                    place,
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.open.pop() {
                    self.add(frame.weight, frame.anchor, place)?;
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn waits_for_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Frame {
                inside: Inside::Map { key: None, .. },
                ..
            })
        )
    }

    fn take_key(&mut self, text: &str, place: Place) -> Result<(), Refused> {
        let Some(Frame {
            path,
            inside: Inside::Map { seen, key },
            ..
        }) = self.open.last_mut()
        else {
            return Ok(());
        };
        if text.len() > MAX_KEY {
            return Err(refused(place, format!("a key of more than {MAX_KEY} bytes")));
        }
        let full = if path.is_empty() {
            text.to_owned()
        } else {
            format!("{path}.{text}")
        };
        if !seen.insert(text.to_owned()) {
            let first = self.places.keys.get(&full).map(|p| p.line).unwrap_or_default();
            return Err(refused(
                place,
                format!("the key `{text}` stands here a second time; first in line {first}"),
            ));
        }
        self.places.keys.insert(full.clone(), place);
        *key = Some(full);
        Ok(())
    }

    /// Notes where the value that begins now stands, and gives its path.
    fn begin_value(&mut self, place: Place) -> Result<String, Refused> {
        if self.places.values.len() >= MAX_NODES {
            return Err(too_many(place));
        }
        let path = match self.open.last_mut() {
            None => String::new(),
            Some(Frame { path, inside, .. }) => match inside {
                Inside::List { next } => {
                    *next += 1;
                    format!("{path}[{}]", *next - 1)
                }
                Inside::Map { key, .. } => key.take().unwrap_or_default(),
            },
        };
        self.places.values.insert(path.clone(), place);
        Ok(path)
    }

    fn enter(&mut self, anchor: usize, inside: Inside, place: Place) -> Result<(), Refused> {
        if self.waits_for_key() {
            return Err(refused(place, "a key is plain text here, not a list or a map"));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(refused(place, format!("nested more than {MAX_DEPTH} deep")));
        }
        let path = self.begin_value(place)?;
        self.open.push(Frame {
            path,
            anchor,
            weight: 1,
            inside,
        });
        Ok(())
    }

    /// Counts a finished node of this weight.
    fn add(&mut self, weight: usize, anchor: usize, place: Place) -> Result<(), Refused> {
        if anchor != 0 {
            self.anchors.insert(anchor, weight);
        }
        let sum = match self.open.last_mut() {
            Some(frame) => &mut frame.weight,
            None => &mut self.total,
        };
        *sum = sum.saturating_add(weight);
        if *sum > MAX_NODES {
            return Err(too_many(place));
        }
        Ok(())
    }
}

fn too_many(place: Place) -> Refused {
    refused(
        place,
        format!("more than {MAX_NODES} values, aliases counted as what they stand for"),
    )
}

fn place_of(span: Span) -> Place {
    let length = if span.start.line() == span.end.line() {
        span.end.col() - span.start.col()
    } else {
        1
    };
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
        length,
    }
}

fn refused(place: Place, message: impl Into<String>) -> Refused {
    Refused {
        place: Some(place),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_has_its_place() {
        let places = survey("name: x\nknown:\n  - case: ä/b\n    see: y\nmqtt: { v5: z }\n").unwrap();
        let at = |p: Option<Place>| p.map(|p| (p.line, p.column, p.length));
        assert_eq!(at(places.value("name")), Some((1, 7, 1)));
        assert_eq!(at(places.value("known[0].case")), Some((3, 11, 3)));
        assert_eq!(at(places.key("known[0].see")), Some((4, 5, 3)));
        assert_eq!(at(places.value("mqtt.v5")), Some((5, 13, 1)));
        assert_eq!(places.value("nothing"), None);
    }

    #[test]
    fn hostile_yaml_is_refused_where_it_stands() {
        let line = |text: &str| {
            let refused = survey(text).unwrap_err();
            (refused.place.map(|p| p.line), refused.message)
        };
        let (at, why) = line("a: 1\nb: 2\na: 3\n");
        assert_eq!(at, Some(3));
        assert!(why.contains("first in line 1"), "{why}");
        assert!(line("a: 1\n---\nb: 1\n").1.contains("second YAML document"));
        assert!(line("a: [1\n").1.contains("not well-formed"));
        assert!(line(&"[".repeat(100_000)).1.contains("nested more than"));
        assert!(line("a: &x [*x]\n").1.contains("alias"));
        assert!(line("? [a]\n: b\n").1.contains("key"));
    }

    #[test]
    fn an_alias_bomb_is_refused_by_what_it_stands_for() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..20 {
            let last = format!("*a{}, ", i - 1);
            text += &format!("a{i}: &a{i} [{}]\n", last.repeat(10).trim_end_matches(", "));
        }
        let refused = survey(&text).unwrap_err();
        assert!(refused.message.contains("aliases"), "{refused:?}");
        assert_eq!(refused.place.map(|p| p.line), Some(5));
    }
}
