use proptest::{collection::btree_map, option::of, prelude::*, sample::select};

use super::*;
use crate::manifest::cache::{Read, Write};

pub(in crate::dump) fn approvals() -> impl Strategy<Value = Approval> {
    (1..604_801_u64).prop_map(|expires_s| Approval { expires_s })
}

fn counts() -> impl Strategy<Value = Option<u64>> {
    of(1_u64..1 << 53)
}

fn prices() -> impl Strategy<Value = Price> {
    (0_u64..1 << 53, 0_u64..1 << 53).prop_map(|(input, output)| Price { input, output })
}

pub(in crate::dump) fn budgets() -> impl Strategy<Value = Budget> {
    let caps = (
        1_u64..1 << 53,
        counts(),
        counts(),
        counts(),
        counts(),
        counts(),
    );
    let listed = btree_map("[a-z./:\"é-]{1,9}[*]?", prices(), 0..3);
    (caps, listed, of(prices())).prop_map(|(caps, prices, unknown_price)| Budget {
        turns: Some(caps.0),
        tokens: caps.1,
        context_tokens: caps.2,
        cost_micros: caps.3,
        turn_tokens_max: caps.4,
        turn_gap_ms_min: caps.5,
        prices: prices.into_iter().collect(),
        unknown_price,
    })
}

pub(in crate::dump) fn caches() -> impl Strategy<Value = Cache> {
    let touched = || {
        let resources = of(select(&["path", "a[].b", "**.url"][..]));
        (select(&["fs", "git.refs"][..]), resources)
    };
    let reads = btree_map("read_[a-zA-Z.]{0,5}", (touched(), of(1..604_801_u64)), 1..4);
    let writes = btree_map("write_[a-z.]{0,5}", touched(), 0..4);
    (reads, writes).prop_map(|(reads, writes)| Cache {
        reads: reads
            .into_iter()
            .map(|(tool, ((namespace, resources), ttl_s))| Read {
                tool,
                namespace: namespace.to_owned(),
                resources: resources.into_iter().map(str::to_owned).collect(),
                ttl_s,
            })
            .collect(),
        writes: writes
            .into_iter()
            .map(|(tool, (namespace, resources))| Write {
                tool,
                namespace: namespace.to_owned(),
                resources: resources.into_iter().map(str::to_owned).collect(),
            })
            .collect(),
    })
}
