//! Sessions from outside: steering, budgets, approvals, what is remembered, and that the rows alone say all of it.

mod approvals;
mod budgets;
mod interleaved;
mod steering;
mod support;
