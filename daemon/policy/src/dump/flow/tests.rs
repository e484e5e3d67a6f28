use proptest::{collection::btree_map, collection::vec, option::of, prelude::*, sample::select};

use super::*;
use crate::{Format, load};

fn answers() -> impl Strategy<Value = Answer> {
    select(&Answer::ALL[..])
}

/// Classes few enough for one manifest.
fn classes() -> impl Strategy<Value = String> {
    select(&["address", "file", "é \"quoted\""][..]).prop_map(str::to_owned)
}

/// Names that no other list of a generated manifest holds, so that nothing is said twice.
fn tools() -> impl Strategy<Value = String> {
    "flow_[a-z.\"é-]{0,6}[*]?"
}

fn selectors() -> impl Strategy<Value = &'static str> {
    select(&["to", "a[].b", "**.url", "\"a.b\"", "*", "file_path"][..])
}

fn field() -> impl Strategy<Value = Field> {
    let trust = select(&Trust::ALL[..]);
    let parts = (trust, of(classes()), any::<bool>(), any::<[bool; 2]>());
    parts.prop_map(|(trust, class, open, [confidential, naming])| Field {
        at: String::new(),
        // A field that says something may leave this open.
        trust: (!open || class.is_none()).then_some(trust),
        attested: confidential && !open && trust == Trust::Trusted,
        class,
        confidential,
        naming,
    })
}

fn source() -> impl Strategy<Value = Source> {
    let at = select(&["", "[].id", "a.b", "[].\"x.y\""][..]);
    (of(select(&Trust::ALL[..])), btree_map(at, field(), 1..3)).prop_map(|(otherwise, fields)| {
        let fields = fields.into_iter().map(|(at, field)| Field {
            at: at.to_owned(),
            ..field
        });
        Source {
            tool: String::new(),
            otherwise,
            fields: fields.collect(),
        }
    })
}

fn control() -> impl Strategy<Value = Control> {
    let allow = prop_oneof![
        Just(Allow::Exact("a\"b".into())),
        Just(Allow::Suffix("@x.example".into()))
    ];
    let class = of(classes()).prop_map(|class| class.into_iter().collect());
    let parts = (class, answers(), answers(), of(allow), any::<bool>());
    parts.prop_map(|(class, tainted, own, allow, taint_wins)| Control {
        at: String::new(),
        class,
        tainted,
        own,
        allow: allow.into_iter().collect(),
        taint_wins,
    })
}

fn sink() -> impl Strategy<Value = Sink> {
    let group = || select(&["send", "set up", "e-mail"][..]).prop_map(|word| vec![word.to_owned()]);
    let text = (answers(), answers(), answers());
    let parts = (
        btree_map(selectors(), control(), 0..3),
        of(text),
        vec(group(), 0..3),
        answers(),
        of(1_u32..),
    );
    parts.prop_map(|(controls, text, asked_by, unasked, count_max)| Sink {
        tool: String::new(),
        controls: controls
            .into_iter()
            .map(|(at, control)| Control {
                at: at.to_owned(),
                ..control
            })
            .collect(),
        texts: text
            .into_iter()
            .map(|(links, confidential, copied)| Text {
                at: "body".into(),
                links,
                confidential,
                copied,
            })
            .collect(),
        unasked: if asked_by.is_empty() {
            Answer::Deny
        } else {
            unasked
        },
        asked_by,
        count_max,
    })
}

/// A `flow` that loads beside any generated manifest.
pub(in crate::dump) fn flows() -> impl Strategy<Value = Flow> {
    let sources = btree_map(tools(), source(), 0..3);
    let sinks = btree_map(tools(), sink(), 1..4);
    let endorse = (of(1_u32..), any::<[bool; 2]>(), any::<bool>());
    (sources, sinks, of(endorse)).prop_map(|(sources, sinks, endorse)| {
        let sinks: Vec<Sink> = sinks
            .into_iter()
            .map(|(tool, sink)| Sink { tool, ..sink })
            .collect();
        let mut controls = sinks.iter().flat_map(|sink| &sink.controls);
        let class = controls.find_map(|control| control.class.first().cloned());
        let rule = endorse.zip(class);
        Flow {
            sources: sources
                .into_iter()
                .map(|(tool, source)| Source { tool, ..source })
                .collect(),
            sinks,
            endorse: rule
                .map(|((uses, [pointed, ask], any), class)| Endorse {
                    tool: "read".into(),
                    field: if any { String::new() } else { "[].body".into() },
                    class,
                    uses,
                    pointed,
                    ask,
                })
                .into_iter()
                .collect(),
        }
    })
}

#[test]
fn what_is_the_default_is_left_out() {
    let text = r#"{"flow": {
        "sources": {"read": {"otherwise": "tainted", "fields": {"": {"trust": "trusted"}, "[].id": {"trust": "trusted", "naming": false}}}},
        "sinks": {"send": {"asked_by": [["send"]], "unasked": "deny",
            "controls": {"to": {"class": ["a"], "own": "deny", "tainted": "ask", "allow": {"suffix": "@x"}}},
            "texts": {"body": {"links": "allow"}}}},
        "endorse": [{"class": "a", "field": "", "tool": "read", "ask": false}]}}"#;
    let (manifest, _) = load("p", text, Format::Json).expect("loads");
    let expected = r#"{
  "version": "fak-policy/v1",
  "flow": {
    "sources": {
      "read": {
        "otherwise": "tainted",
        "fields": {
          "": "trusted",
          "[].id": "trusted"
        }
      }
    },
    "sinks": {
      "send": {
        "asked_by": ["send"],
        "controls": {
          "to": {
            "class": ["a"],
            "tainted": "ask",
            "allow": [
              {
                "suffix": "@x"
              }
            ]
          }
        },
        "texts": {
          "body": {}
        }
      }
    },
    "endorse": [
      {
        "tool": "read",
        "field": "",
        "class": "a"
      }
    ]
  }
}
"#;
    assert_eq!(crate::dump(&manifest), expected);
}
