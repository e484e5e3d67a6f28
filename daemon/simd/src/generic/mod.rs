//! Every algorithm, once, over sixteen virtual lanes.

pub(crate) mod attention;
pub(crate) mod math;
pub(crate) mod rows;
pub(crate) mod tile;
pub(crate) mod weights;
