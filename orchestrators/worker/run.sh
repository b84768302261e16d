# The program in the pod of a shell task: links the inputs of a partition, runs the author's text once per
# item (or once), turns $RESULT_FILE into JSON and renames the folder of outputs into place as the last step.
#
# In: the ARGOSY_ variables (they are gone when the author's text runs) and the folders in/, slots/, storage/
# under ARGOSY_ROOT. Out: out/ or ARGOSY_OUT, and result, both only after success. The exit status is that of
# the first item that failed. POSIX sh and the tools of busybox. Neither kubelet nor Argo may find anything to
# expand in here: no doubled dollar or opening brace, no name alone in a command substitution. Only whole
# lines are comments: they are not shipped.
#
# work/in/K/VAR/NAME are links to the inputs of the K-th item, work/in/all/VAR/NAME to those of all of them,
# work/K is the scratch folder of an item, work/0 also that of all, work/names says which item claims an output
# name, work/taken which of several workers started an item, work/K.done that it has succeeded. Variables begin
# with _: those of the author are set when its text begins, and mean nothing to us or to a program of ours.
#
# A shell reads no further than it gets: what a task without files and result needs comes first, and starts no
# program but the author's text. Who starts us in work/0/cwd, as the local engine does, has made it, and there
# is nothing of another attempt.
set -euf
exec </dev/null
# What runs is asked to end as this shell is, and has the time that it takes.
trap 'wait; exit 143' TERM
_nl='
'
_ifs=$IFS _began=$PWD _who='' _node=${ARGOSY_NODE-task} _each=${ARGOSY_EACH-item} _shell=${ARGOSY_SHELL:-sh}
_items=${ARGOSY_ITEMS:-0} _fields=${ARGOSY_FIELDS-} _params=${ARGOSY_PARAMS-} _inputs=${ARGOSY_INPUTS-}
_lines=${ARGOSY_LINES-} _outputs=${ARGOSY_OUTPUTS-} _odir=${ARGOSY_OUTPUT_DIR-} _result=${ARGOSY_RESULT-}
_workers=${ARGOSY_WORKERS:-1} _attempt=$((${ARGOSY_RETRIES:-0} + 1))

# The first failure decides the exit status; an item that is running is not disturbed.
fail() {
  printf 'argosy: %s: %s%s\n' "$_node" "$_who" "$1" >&2
  (set -C && echo "${2:-1}" >"$_work/failed") 2>/dev/null || :
  exit "${2:-1}"
}
# Remove files and folders, also what holds folders into which nobody may write.
wipe() {
  rm -rf "$@" 2>/dev/null || {
    find "$@" -type d -exec chmod u+rwx {} \; 2>/dev/null || :
    rm -rf "$@"
  }
}
# Command substitution eats final newlines, hence the x. Without a backslash there is nothing to decode.
decode() {
  case $1 in
  *\\*) _r=$(printf '%bx' "$1") && _r=${_r%x} ;;
  *) _r=$1 ;;
  esac
}
# Name item number $1 of the partition and decode its text $2: column J into _cJ, field NAME into _v_NAME;
# _c0 is the index.
item() {
  _k=$1 _n=$((_start + $1)) _t="$2|" _name='' _j=0
  IFS='|'
  set -- $_t
  IFS=$_ifs
  for _f; do
    _j=$((_j + 1))
    decode "$_f"
    eval "_c$_j=\$_r"
  done
  _who="item $_n ($_c1): " _c0=$_n _j=0
  for _f in $_fields; do
    _j=$((_j + 1))
    [ - = "$_f" ] || eval "_v_$_f=\$_c$_j"
  done
  for _f in $_lines; do
    eval "_r=\${_l0_$_f-} _r=\${_l${_k}_$_f-\$_r}; decode \"\$_r\"; _v_$_f=\$_r"
  done
}
# Make what is needed for item $1 of the partition, whose inputs are in work/in/$2, with one call.
folders() {
  _d=$_work/$1 _r=$_work/in/$2
  set -- "$_d/cwd"
  [ -z "$_outs" ] || set -- "$@" "$_d/out"
  [ -z "$_odir" ] || set -- "$@" "$_d/dir"
  [ -z "$_outs$_odir" ] || set -- "$@" "$_work/names" "$_part"
  [ "$_workers" -lt 2 ] || set -- "$@" "$_work/taken"
  for _f in $_vars; do set -- "$@" "$_r/$_f"; done
  [ $# = 1 ] && [ -d "$1" ] || mkdir -p "$@"
}
# Run the author's text with these assignments. No shell has a meaning of its own for names like the first.
start() {
  cd "$_d/cwd" || return
  for _f; do
    case $_f in
    [[:lower:]]*=* | INDEX=* | ITEM=* | ATTEMPT=* | RESULT_FILE=* | INPUT_*=* | OUTPUT_*=*) ;;
    *) env "$@" "$_shell" -eu "$_work/program" && return || return ;;
    esac
  done
  for _f; do export "$_f"; done
  "$_shell" -eu "$_work/program"
}
# Run the author's text in scratch folder $1 and collect what it wrote.
run() {
  _d=$_work/$1
  set -- "INDEX=$_n"
  for _m in $_ins; do
    input $_m
    case $_each/$_kind in
    item/[!d]*) _r=$_k/$_var/$_shown ;;
    */one) _r=all/$_var/$_shown ;;
    *) _r=all/$_var ;;
    esac
    set -- "$@" "$_var=$_work/in/$_r"
  done
  [ item != "$_each" ] || [ -z "$_outs" ] || names ''
  for _f in $_params $_fields $_lines; do
    [ - = "$_f" ] || eval "set -- \"\$@\" \"$_f=\${_v_$_f-}\""
  done
  for _j in $_outs; do
    eval "set -- \"\$@\" \"\$_out$_j=\$_d/out/\$_name$_j\""
  done
  [ -z "$_odir" ] || set -- "$@" "$_odir=$_d/dir"
  _s=0
  start "$@" "RESULT_FILE=$_d/result" "ATTEMPT=$_attempt" || _s=$?
  cd "$_root"
  [ 0 = $_s ] || fail "the program ended with exit status $_s" $_s
  [ -z "$_outs$_odir$_result" ] || collect
  # What it scribbled would add up, and does no more harm; where it did not, there is nothing to start a program
  # for.
  set +f
  for _f in "$_d/cwd"/* "$_d/cwd"/.[!.]* "$_d/cwd"/..?*; do
    if [ -e "$_f" ] || [ -L "$_f" ]; then
      wipe "$_d" 2>/dev/null || :
      break
    fi
  done
  set -f
  [ "$_workers" -lt 2 ] || : >"$_d.done"
}
# Run the items that no other worker has taken.
work() {
  _i=0
  for _e; do
    [ ! -e "$_work/failed" ] || return 0
    if [ "$_workers" -lt 2 ] || take "taken/$_i" ''; then
      item $_i "$_e"
      _prefix="$_n "
      run $_k
    fi
    _i=$((_i + 1))
  done
}
# Run the author's text for each item of the partition, or once.
main() {
  _t="$_items;" IFS=';'
  set -- $_t
  IFS=$_ifs
  _start=$1 _prefix='' _name='' _k=0
  shift
  if [ item = "$_each" ]; then
    folders 0 0
    [ $# -lt 2 ] || {
      for _e; do
        for _f in $_vars; do echo "in/$_k/$_f"; done
        echo "$_k/cwd ${_outs:+$_k/out} ${_odir:+$_k/dir}"
        _k=$((_k + 1))
      done
    } | (cd "$_work" && xargs mkdir -p)
    [ -z "$_ins$_outs" ] || claims "$@"
  else
    folders 0 all
    for _e; do
      item $_k "$_e"
      [ -z "$_ins" ] || places slot store file
      _k=$((_k + 1))
    done
    _who='' _name='' _n=0
    if [ partition = "$_each" ]; then
      _n=${PARTITION_ID:-0}
      _who="partition $_n: " _prefix="$_n "
    fi
    [ -z "$_ins" ] || places dir one
    [ -z "$_outs" ] || names claim
  fi
  printf %b "$_program" >"$_work/program"
  [ -z "$_ins" ] || {
    cp -RP "$_work/in" "$_work/links"
    stamps >"$_work/before"
  }
  if [ item != "$_each" ]; then
    run 0
  elif [ "$_workers" -lt 2 ]; then
    work "$@"
  else
    share "$@"
  fi
  [ -z "$_ins" ] || unchanged
  [ -z "$_outs$_odir$_result" ] || publish "$@"
}

cd "${ARGOSY_ROOT:=/argosy}" 2>/dev/null || {
  mkdir -p "$ARGOSY_ROOT"
  cd "$ARGOSY_ROOT"
}
_root=$PWD _work=$PWD/work _out=$PWD/${ARGOSY_OUT:-out}
_part=${_out%/*}/.${_out##*/}.part
for _f in "$_work" "$_out" "$_part" result; do
  [ "$_f/0/cwd" = "$_began" ] || { [ ! -e "$_f" ] && [ ! -L "$_f" ]; } || wipe "$_f"
done
_program=$ARGOSY_PROGRAM
for _f in $_params; do
  eval "decode \"\${ARGOSY_P_$_f-}\"; _v_$_f=\$_r"
done
# Another task's values, one per item, or one for all of the partition.
for _f in $_lines; do
  eval "_t=\"\${ARGOSY_P_$_f-};\""
  _j=0 IFS=';'
  set -- $_t
  IFS=$_ifs
  for _e; do
    eval "_l${_j}_$_f=\$_e"
    _j=$((_j + 1))
  done
done
for _f in $_params $_lines; do unset "ARGOSY_P_$_f"; done
for _f in BRACE ROOT RETRIES NODE EACH SHELL PROGRAM FIELDS ITEMS INPUTS OUTPUTS OUTPUT_DIR OUT RESULT WORKERS \
  PARAMS LINES; do
  unset "ARGOSY_$_f"
done
_outs='' _ins='' _vars=''
if [ -z "$_inputs$_outputs$_odir$_result" ] && [ "$_workers" -lt 2 ]; then
  main
  exit
fi

# True for the one that creates work/$1 (O_EXCL), with text $2 in it. When nobody could, nothing can be written.
take() {
  set -C
  if { printf '' >"$_work/$1"; } 2>/dev/null; then
    set +C
    { [ -z "$2" ] || printf '%s\n' "$2" >>"$_work/$1"; } 2>/dev/null || fail "cannot write $_work/$1"
  else
    set +C
    [ -e "$_work/$1" ] || case $1 in
    names/*) printf x >"$_work/names/.probe" ;;
    *) false ;;
    esac 2>/dev/null || fail "cannot write $_work/$1"
    return 1
  fi
}
# Apply naming chain $1 to name $2. Suffixes are those of pathlib: .hidden and a. have none.
chain() {
  _r=$2
  IFS=/
  for _s in $1; do
    _b=$_r _stem=${_r%.*} _suffix=${_r##*.} _o=''
    case $_stem/$_suffix in
    "$_b"/* | /* | */) _stem=$_b _suffix='' ;;
    *) _suffix=.$_suffix ;;
    esac
    IFS=,
    for _g in $_s; do
      case $_g in
      name) _r=$_b ;;
      stem) _r=$_stem ;;
      suffix) _r=$_suffix ;;
      index) _r=$_n ;;
      =*) decode "${_g#=}" ;;
      *) eval "_r=\${_v_${_g#[\$]}-}" ;;
      esac
      _o=$_o$_r
    done
    _r=$_o
  done
  IFS=$_ifs
  case $_r in '' | . | .. | */*) fail "\"$_r\" is not a file name" ;; esac
}
# Input number $1 for the current item: its variable, its file and the name the task sees.
input() {
  eval "_var=\$_var$1 _kind=\$_kind$1 _dir=\$_dir$1 _r=\${_c$((_col$1)):-}"
  _r=${_r%/}
  case $_kind in
  slot) _src=$_dir/$_k/x ;;
  file)
    eval "chain \"\$_naming$1\" \"\${_r##*/}\""
    _src=$_dir/$_r
    ;;
  one)
    eval "single \"\$_naming$1\""
    _src=$_r
    ;;
  *) _src=$_dir/$_r ;;
  esac
  _shown=${_r##*/}
  case $_kind/$_name in
  dir/) ;;
  one/) [ item = "$_each" ] || _name=$_shown ;;
  */) _name=$_shown _who="item $_n ($_shown): " ;;
  esac
}
# Link it into folder $1. An optional artifact that does not exist leaves an empty folder at its slot.
link() {
  if [ ! -e "$_src" ] || { [ slot = "$_kind" ] && [ -d "$_src" ] && [ -z "$(ls -A "$_src")" ]; }; then
    fail "input file $_shown is missing"
  fi
  [ ! -L "$1/$_shown" ] || fail "two items of the partition are named \"$_shown\""
  ln -s "$_src" "$1/$_shown"
}
# Link what input number $1 has for all items, or for the task that does not run per item, into the folder of
# its variable, or into that of its upstream in there.
place() {
  input "$1"
  eval "_t=\$_work/in/all/\$_var\${_within$1:+/\$_within$1}"
  [ -d "$_t" ] || mkdir -p "$_t"
  if [ dir = "$_kind" ]; then eval "gather \"\$_t\" \"\$_dir\" \"\$_pre$1\""; else link "$_t"; fi
}
places() {
  for _m in $_ins; do
    eval "_kind=\$_kind$_m"
    case " $* " in *" $_kind "*) place "$_m" ;; esac
  done
}
# Link all files of folder $2, or with $3 of its partitions, into folder $1.
gather() {
  set +f
  if [ "$3" ]; then set -- "$1" "$2"/*/; else set -- "$1" "$2/"; fi
  set -f
  _t=$1
  shift
  [ -d "$1" ] || return 0
  find -L "$@" -mindepth 1 -maxdepth 1 \
    -exec sh -c 'ln -s "$@" "$0/" 2>/dev/null || : >"$0.bad"' "$_t" {} + && [ ! -e "$_t.bad" ] && return 0
  set +f
  for _p; do
    for _f in "$_p"* "$_p".[!.]*; do
      _o=$(readlink "$_t/${_f##*/}" || :)
      [ ! -e "$_f" ] || [ "$_f" = "$_o" ] || {
        _p=${_p%/} _o=${_o%/*}
        fail "partitions ${_o##*/} and ${_p##*/} both hold \"${_f##*/}\""
      }
    done
  done
  fail 'the input files cannot be linked'
}
# The file of folder $_dir that naming chain $1 names by the partition, or the only one there is.
single() {
  if [ "$1" ]; then
    _q=$_n _n=${PARTITION_ID:-0}
    chain "$1" "$_n"
    _n=$_q _r=$_dir/$_r
    return
  fi
  _count=0
  set +f
  for _f in "$_dir"/* "$_dir"/.[!.]*; do
    [ ! -e "$_f" ] || _count=$((_count + 1)) _r=$_f
  done
  set -f
  case $_count in
  0) fail "input file $_var is missing" ;;
  1) ;;
  *) fail "$_var is to be one file, but there are $_count" ;;
  esac
}
# The files of folder $1 as text of a partition, by name in byte order.
listed() {
  cd "$1" 2>/dev/null || return 0
  mkdir -p "$_work"
  find -L . -mindepth 1 -maxdepth 1 -print0 >"$_work/list" || fail "the files of $_var cannot be listed"
  od -An -v -tu1 "$_work/list" | LC_ALL=C awk '{
    for (i = 1; i <= NF; i++) {
      b = $i + 0
      if (!b) { print key, path; key = path = ""; continue }
      key = b == 47 ? "" : key sprintf("%02x", b)
      raw = b > 32 && b < 127 && b != 59 && b != 92 && b != 124
      path = path sprintf(raw ? "%c" : "\\0%03o", b)
    } }' | LC_ALL=C sort | sed 's/.* /;/' | tr -d '\n'
}
# Output names of the current item into _nameJ; an item without a file has its index as name.
names() {
  for _j in $_outs; do
    eval "chain \"\$_chain$_j\" \"\${_name:-\$_n}\"; _name$_j=\$_r"
    [ -z "$1" ] || claim "$_r"
  done
}
claim() {
  take "names/$1" "$_n" && return
  [ -e "$_work/names/$1" ] || fail "\"$1\" is longer than 255 bytes"
  read -r _o <"$_work/names/$1" || :
  [ "$_o" != "$_n" ] || fail "\"$1\" is written twice"
  fail "items $_o and $_n both write \"$1\": put the item into the file's name"
}
# Bytes in decimal → brace-safe ASCII JSON, whose end is a newline. Exit 42: not UTF-8, 43: not JSON; any other
# is of awk itself. The form of JSON, where a string is S and any other value V, is reduced from the inside
# until one value is left.
_awk='
function lit(c) {
  if (c > 65535) { c -= 65536; printf "\\u%04x\\u%04x", 55296 + int(c / 1024), 56320 + c % 1024 }
  else if (c < 32 || c > 126 || c == 34 || c == 36 || c == 92 || c == 123) printf "\\u%04x", c
  else printf "%c", c
}
function text(c) {
  if (held) lit(10)
  held = c == 10
  if (!held) lit(c)
}
function value(c, s) {
  s = c > 31 && c < 127 ? sprintf("%c", c) : "?"
  if (esc) {
    if (!index(esc == 1 ? "\"\\/bfnrtu" : "0123456789abcdefABCDEF", s)) bad = 43
    esc = esc == 1 && s == "u" ? 5 : esc > 2 ? esc - 1 : 0
    printf "%s", s
  } else if (quoted && c != 34) {
    if (c < 32) bad = 43
    if (c == 92) { esc = 1; printf "\\" } else lit(c)
  } else if (c == 34) {
    quoted = !quoted; printf "\""
    if (quoted) form = form "S"
  } else if (c == 32 || c == 9 || c == 10 || c == 13) form = form " "
  else {
    if (!index("[]{},:+-.0123456789eEtrufalsn", s)) bad = 43
    form = form s; printf "%s", s
  }
}
function put(c) { if (json) value(c); else text(c) }
BEGIN { printf "%s", prefix; if (!json) printf "\"" }
{ for (i = 1; i <= NF; i++) {
  b = $i + 0
  if (more) {
    if (b < 128 || b > 191) exit bad = 42
    c = c * 64 + b - 128
    if (--more) continue
    if (c < least || c > 1114111 || c > 55295 && c < 57344) exit bad = 42
    put(c)
  } else if (b < 128) put(b)
  else if (b < 192 || b > 247) exit bad = 42
  else if (b < 224) { more = 1; c = b - 192; least = 128 }
  else if (b < 240) { more = 2; c = b - 224; least = 2048 }
  else { more = 3; c = b - 240; least = 65536 }
} }
END {
  if (more) bad = 42
  if (bad) exit bad
  if (!json) printf "\""
  else {
    gsub(/true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?/, "V", form)
    gsub(/ /, "", form)
    while (gsub(/\[([VS](,[VS])*)?\]|[{](S:[VS](,S:[VS])*)?[}]/, "V", form)) ;
    if (quoted || form !~ /^[VS]$/) exit 43
  }
  print ""
}'
# A link that the task made in its output would point into the scratch folder: it becomes what it points to.
# Who moves a folder writes into it, where its entry for the folder that it is in changes.
# A pipe, a socket or a device holds nothing that could be kept.
keep() {
  _o=$1
  if [ ! -L "$1" ]; then
    if [ -f "$1" ]; then _o=''; elif [ -d "$1" ]; then _o=$(find "$1" ! -type f ! -type d | head -n 1); fi
  fi
  if [ "$_o" ]; then
    _o=$(find -L "$1" ! -type f ! -type d ! -type l | head -n 1)
    [ -z "$_o" ] || fail "\"${_o#"${1%/*}"/}\" is neither a file nor a folder"
    _o=$(find -L "$1" -type l | head -n 1)
    [ -z "$_o" ] || fail "\"${_o#"${1%/*}"/}\" is a link to nowhere"
    cp -RL "$1" "$_part/" && rm -rf "$1"
  else
    mv "$1" "$_part/" 2>/dev/null || {
      [ ! -d "$1" ] || chmod u+w "$1"
      mv "$1" "$_part/"
    }
  fi || fail "\"${1##*/}\" cannot be moved"
}
# Collect what the text wrote in scratch folder $_d.
collect() {
  for _j in $_outs; do
    eval "_var=\$_out$_j _r=\$_name$_j"
    [ -e "$_d/out/$_r" ] || [ -L "$_d/out/$_r" ] || fail "$_var ($_r) was not written"
    keep "$_d/out/$_r"
  done
  if [ "$_odir" ]; then
    set +f
    for _f in "$_d/dir"/* "$_d/dir"/.[!.]* "$_d/dir"/..?*; do
      [ ! -e "$_f" ] || claim "${_f##*/}"
      if [ -L "$_f" ] || { [ -e "$_f" ] && [ ! -f "$_f" ]; }; then keep "$_f"; fi
    done
    set -f
    find "$_d/dir" -mindepth 1 -maxdepth 1 -exec sh -c 'mv "$@" "$0/"' "$_part" {} + && rmdir "$_d/dir" ||
      fail "the outputs cannot be moved"
  fi
  if [ "$_result" ]; then
    if [ -f "$_d/result" ]; then
      od -An -v -tu1 "$_d/result" |
        LC_ALL=C awk -v "json=${_result#text}" -v "prefix=$_prefix" "$_awk" >"$_d.json" || _s=$?
    elif [ -e "$_d/result" ]; then
      fail "RESULT_FILE is not a file"
    else
      printf '%snull\n' "$_prefix" >"$_d.json" || _s=$?
    fi
    case $_s in 42) fail "RESULT_FILE is not UTF-8" ;; 43) fail "RESULT_FILE is not JSON" ;; esac
    [ 0 = $_s ] && read -r _r <"$_d.json" || fail "the result cannot be written"
  fi
}
# Link the inputs of each item into folders of its own, and claim the names of its outputs.
claims() {
  places dir
  for _e; do
    item $_k "$_e"
    for _m in $_ins; do
      input $_m
      [ dir = "$_kind" ] || link "$_work/in/$_k/$_var"
    done
    names claim
    _k=$((_k + 1))
  done
}
# Share the items among several workers, any of which may be killed.
share() {
  _p='' _i=0 _s=0 _k=0 _t=$_workers
  [ "$_t" -lt $# ] || _t=$#
  while [ "$_i" -lt "$_t" ]; do
    { trap 'exit 143' TERM && work "$@"; } &
    _p="$_p $!" _i=$((_i + 1))
  done
  for _f in $_p; do wait "$_f" || _s=$?; done
  [ ! -s "$_work/failed" ] || read -r _s <"$_work/failed"
  [ 0 = "$_s" ] || exit "$_s"
  for _e; do
    [ -e "$_work/$_k.done" ] || fail "item $((_start + _k)) has not run"
    _k=$((_k + 1))
  done
}
# Size and time of change of all that the links in work/links lead to: what one file is to all items, for the
# first.
stamps() (
  cd "$_work/links"
  set -- . -type l
  for _m in $_ins; do
    eval "[ one != \"\$_kind$_m\" ] || set -- \"\$@\" ! -path \"./[1-9]*/\$_var$_m/*\""
  done
  _ls='ls -dlncL --full-time'
  $_ls . >/dev/null 2>&1 || _ls='ls -dlncLT'
  find "$@" -exec sh -c "find -L \"\$@\" -print0 | xargs -0 $_ls 2>/dev/null" sh {} + | LC_ALL=C sort
)
# What the inputs are is to be what they were.
unchanged() {
  stamps >"$_work/after"
  cmp -s "$_work/before" "$_work/after" || {
    _f=$(LC_ALL=C sort "$_work/before" "$_work/after" | uniq -u | head -n 1)
    _f=${_f#*./} _r=${_f#*/*/}
    case $_each-$_f in
    item-all/*) _who='' ;;
    item-*) _who="item $((_start + ${_f%%/*})) (${_r%%/*}): " ;;
    esac
    fail "the program changed its input $_r in place"
  }
}
# Let results and outputs appear.
publish() {
  if [ "$_result" ]; then
    [ item = "$_each" ] || set -- all
    _k=0 _t=''
    for _e; do
      read -r _r <"$_work/$_k.json"
      printf %s "$_t$_r"
      _k=$((_k + 1)) _t=$_nl
    done >"$_work/result"
    mv "$_work/result" result
  fi
  if [ -d "$_part" ]; then
    rm -rf "$_out"
    mv "$_part" "$_out"
  fi
}

_j=0
IFS=$_nl
for _t in $_outputs; do
  _j=$((_j + 1)) _outs="$_outs $_j"
  eval "_out$_j=\${_t%%|*} _chain$_j=\${_t#*|}"
done
for _t in $_inputs; do
  IFS='|'
  set -- $_t
  IFS=$_ifs
  _j=$((_j + 1)) _ins="$_ins $_j" _var=$1 _kind=$2 _vars="$_vars $1" _col=1
  decode "${3-}"
  _dir=$_root/$_r
  case $_kind in
  file) _col=0 ;;
  list) _items=${_items%%;*}$(listed "$_dir") ;;
  esac
  decode "${7-}"
  eval "_var$_j=\$_var _kind$_j=\$_kind _dir$_j=\$_dir _naming$_j=\${4-} _col$_j=\${5:-\$_col}
    _pre$_j=\${6-} _within$_j=\$_r"
done
main
