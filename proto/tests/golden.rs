//! The protocol only grows: every message, field and RPC is compared with a committed list.

use std::fmt::Write as _;

use prost_types::{DescriptorProto, FileDescriptorProto, field_descriptor_proto::Label};

const GOLDEN: &str = include_str!("fak_v1.golden");

fn message_lines(out: &mut String, message: &DescriptorProto) {
    writeln!(out, "message {}", message.name()).expect("a string takes every write");
    for field in &message.field {
        let label = if field.label() == Label::Repeated {
            "repeated "
        } else {
            ""
        };
        let kind = match field.type_name() {
            "" => format!("{:?}", field.r#type()).to_lowercase(),
            name => name.trim_start_matches(".fak.v1.").to_owned(),
        };
        writeln!(out, "  {} {} {label}{kind}", field.number(), field.name())
            .expect("a string takes every write");
    }
    message
        .nested_type
        .iter()
        .for_each(|nested| message_lines(out, nested));
}

fn rendered(file: &FileDescriptorProto) -> String {
    let mut out = format!("package {}\n", file.package());
    for service in &file.service {
        writeln!(out, "service {}", service.name()).expect("a string takes every write");
        for rpc in &service.method {
            let stream = |on: bool| if on { "stream " } else { "" };
            let short = |name: &str| name.trim_start_matches(".fak.v1.").to_owned();
            writeln!(
                out,
                "  {}({}{}) -> {}{}",
                rpc.name(),
                stream(rpc.client_streaming()),
                short(rpc.input_type()),
                stream(rpc.server_streaming()),
                short(rpc.output_type()),
            )
            .expect("a string takes every write");
        }
    }
    file.message_type
        .iter()
        .for_each(|message| message_lines(&mut out, message));
    out
}

#[test]
fn field_numbers_and_names_are_the_committed_ones() {
    let files = protox::compile(["fak/v1/fak.proto"], ["."]).expect("the protocol compiles");
    let file = files.file.last().expect("one file");
    let now = rendered(file);
    assert_eq!(
        now, GOLDEN,
        "the protocol changed; if it only grew, update tests/fak_v1.golden to:\n{now}"
    );
}
