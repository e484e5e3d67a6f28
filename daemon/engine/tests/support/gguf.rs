//! The same tiny models as GGUF files: other names, other orders of rows.

use fak_gguf::{Architecture, Gguf, TensorType, Writer, quantize_row};

use crate::support::Case;

/// Part of a name in safetensors, and what GGUF says; the first that fits.
const NAMES: &[(&str, &str)] = &[
    ("model.embed_tokens", "token_embd"),
    ("model.norm", "output_norm"),
    ("lm_head", "output"),
    ("self_attn.sinks", "attn_sinks.weight"),
    ("self_attn.qkv_proj", "attn_qkv"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("mlp.router", "ffn_gate_inp"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.gate_up_proj", "ffn_up"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("mlp.gate", "ffn_gate_inp"),
    ("input_layernorm", "attn_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

type Part = (String, Vec<u64>, Vec<f32>);

fn renamed(case: &Case, name: &str) -> String {
    let around = case
        .tensors
        .iter()
        .any(|(n, ..)| n.contains("pre_feedforward"));
    let after = if around || case.config.architecture == Architecture::GptOss {
        "post_attention_norm"
    } else {
        "ffn_norm"
    };
    let name = name.replace("post_attention_layernorm", after);
    let found = NAMES.iter().find(|(part, _)| name.contains(part));
    let name = found.map_or_else(|| name.clone(), |(part, own)| name.replacen(part, own, 1));
    name.replace("model.layers.", "blk.")
}

/// Rows of each head, the two halves interleaved.
fn interleaved(numbers: &[f32], row: usize, head: usize) -> Vec<f32> {
    let heads = numbers.chunks(row * head);
    heads
        .flat_map(|head_rows| {
            let rows: Vec<&[f32]> = head_rows.chunks(row).collect();
            let half = rows.len() / 2;
            let pairs: Vec<f32> = (0..half)
                .flat_map(|i| [rows[i], rows[half + i]].concat())
                .collect();
            pairs
        })
        .collect()
}

/// Experts of one tensor each become one tensor of all.
fn stacked(case: &Case, parts: &mut Vec<Part>) {
    let mut stacks: Vec<Part> = Vec::new();
    for (name, shape, numbers) in &case.tensors {
        let Some((stem, rest)) = name.split_once(".mlp.experts.") else {
            continue;
        };
        let Some(matrix) = rest.split('.').nth(1) else {
            continue;
        };
        let matrix = matrix.trim_end_matches("_proj");
        let name = format!(
            "{}.ffn_{matrix}_exps.weight",
            stem.replace("model.layers", "blk")
        );
        match stacks.iter_mut().find(|(own, ..)| *own == name) {
            Some((_, dims, all)) => {
                dims[2] += 1;
                all.extend(numbers);
            }
            None => {
                let dims = vec![shape[1] as u64, shape[0] as u64, 1];
                stacks.push((name, dims, numbers.clone()));
            }
        }
    }
    parts.append(&mut stacks);
}

/// GPT-OSS: inputs and outputs change places, gate and up are parted.
fn unpacked(name: &str, shape: &[usize], numbers: &[f32]) -> Vec<Part> {
    let (stem, rest) = name.split_once(".mlp.experts.").unwrap();
    let stem = stem.replace("model.layers", "blk");
    let count = shape[0];
    let bias = rest.ends_with("_bias");
    let (inputs, outputs) = if bias {
        (1, shape[1])
    } else {
        (shape[1], shape[2])
    };
    let outs: Vec<(&str, usize, usize)> = if rest.starts_with("gate_up") {
        vec![("gate", 0, 2), ("up", 1, 2)]
    } else {
        vec![("down", 0, 1)]
    };
    let end = if bias { "bias" } else { "weight" };
    let part = |(matrix, first, step): (&str, usize, usize)| {
        let own = outputs / step;
        let mut all = Vec::new();
        for expert in numbers.chunks(inputs * outputs) {
            for output in 0..own {
                for input in 0..inputs {
                    all.push(expert[input * outputs + first + output * step]);
                }
            }
        }
        let dims = if bias {
            vec![own as u64, count as u64]
        } else {
            vec![inputs as u64, own as u64, count as u64]
        };
        (format!("{stem}.ffn_{matrix}_exps.{end}"), dims, all)
    };
    outs.into_iter().map(part).collect()
}

/// The case's weights as a GGUF file, matrices of two and more dimensions stored as `ty`.
pub(crate) fn gguf(case: &Case, ty: TensorType) -> Vec<u8> {
    let llama = case.config.architecture == Architecture::Llama;
    let plus_one = matches!(
        case.config.architecture,
        Architecture::Gemma | Architecture::Gemma2 | Architecture::Gemma3
    );
    let mut parts: Vec<Part> = Vec::new();
    stacked(case, &mut parts);
    for (name, shape, numbers) in &case.tensors {
        if name.contains(".mlp.experts.") {
            if !name.ends_with("_proj.weight") {
                parts.extend(unpacked(name, shape, numbers));
            }
            continue;
        }
        let dims = shape.iter().rev().map(|&dim| dim as u64).collect();
        let mut numbers = numbers.clone();
        if llama && (name.contains("q_proj") || name.contains("k_proj")) {
            let row = if shape.len() == 2 { shape[1] } else { 1 };
            numbers = interleaved(&numbers, row, case.config.heads.key_dim as usize);
        }
        if plus_one && name.contains("norm") {
            numbers.iter_mut().for_each(|x| *x += 1.0);
        }
        parts.push((renamed(case, name), dims, numbers));
    }
    let stored: Vec<(String, TensorType, Vec<u64>, Vec<u8>)> = parts
        .into_iter()
        .map(|(name, dims, numbers)| {
            let is_matrix =
                dims.len() > 1 && name.ends_with(".weight") && !name.contains("gate_inp");
            let ty = if is_matrix { ty } else { TensorType::F32 };
            let row = dims[0] as usize;
            let rows = numbers
                .chunks(row)
                .map(|row| quantize_row(ty, row).unwrap());
            let data = rows.collect::<Vec<_>>().concat();
            (name, ty, dims, data)
        })
        .collect();
    let mut writer = Writer::new();
    for (name, ty, dims, data) in &stored {
        writer.tensor(name, *ty, dims, data);
    }
    let file = writer.finish().unwrap();
    assert_eq!(Gguf::parse(&file).unwrap().tensors().len(), stored.len());
    file
}
