# The whole loop. `make` lists the targets.
CARGO ?= cargo
BIN := target/release

.PHONY: help demo test packages boot bench check static fuzz clean

help:
	@printf '%s\n' \
	  'make demo    build fakd and fakctl, replay recorded agent sessions through them, verify the journal' \
	  'make test    everything CI runs' \
	  'make packages  target/dist/*.deb and *.rpm, packed twice and checked (installs what that needs, as root)' \
	  'make boot    the package in real Debian systems that boot with systemd (root; see tests/boot/run.sh)' \
	  'make bench   the numbers in docs/benchmarks.md, measured on this machine' \
	  'make check   format, lints and the unit tests of what changed: CRATE=fak-policy for one crate' \
	  'make static  one static fakctl binary (needs the musl target and musl-gcc)' \
	  'make fuzz    long fuzzing of one parser: TARGET=shell SECONDS_MAX=600 (needs nightly and cargo-fuzz)'

demo:
	$(CARGO) build --release --locked -p fakd -p fakctl
	tests/demo/run.sh $(BIN)

test:
	tests/run.sh

packages:
	packaging/needs.sh
	rm -f target/dist/*.deb target/dist/*.rpm
	$(CARGO) xtask dist
	packaging/check.sh

boot: packages
	tests/boot/packages.sh

bench:
	$(CARGO) build --release --locked -p fakd -p fakctl
	$(CARGO) bench --locked -p fak-args -p fak-shell -p fak-policy -p fak-kernel -p fak-journal
	$(CARGO) run --release --locked -p fak-bench -- --bin $(BIN)

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked $(if $(CRATE),-p $(CRATE),--workspace) --all-targets -- -D warnings
	$(CARGO) test --locked $(if $(CRATE),-p $(CRATE),--workspace --lib)

# At a fixed address: a program that lives a millisecond would spend half of it on its own relocations.
static:
	$(CARGO) rustc --release --locked --target x86_64-unknown-linux-musl -p fakctl --bin fakctl -- -C relocation-model=static
	@ls -l target/x86_64-unknown-linux-musl/release/fakctl

fuzz:
	cd tests/fuzz/fuzz && cargo +nightly fuzz run $(TARGET) -- -max_total_time=$(or $(SECONDS_MAX),600)

clean:
	$(CARGO) clean
