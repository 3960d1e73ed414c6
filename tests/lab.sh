#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/lab.sh MIRRORSCOPE [FOLDER]: a recording of a real kernel, made afresh. Debian's 6.12 kernel (of the backports) is booted under
# QEMU's software CPU, which has AMD-V and nested paging, records what its KVM does for lab/workload.c, and the program reads it: as
# trace.dat and as text the same, no discontinuity, no finding. Then that kernel's tables are read out of its memory while the guest stands
# still, by /proc/kcore inside and by QEMU's gdbstub from outside: the same entries as what was recorded up to there leads to. Nothing of
# this machine's hardware or kernel is used.
set -eu
mirrorscope=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
work=${2:-$(mktemp -d)}
[ $# -ge 2 ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work/share"
cd "$work"
kernel=$(apt-cache depends linux-image-6.12-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-6.*\)/\1/p' | head -1)
if [ -z "$kernel" ]; then
    echo "lab: left out, no source of packages has linux-image-6.12-amd64 (bookworm-backports)"
    exit 0
fi
[ -d kernel ] || { apt-get download -q "$kernel" >apt.log 2>&1 || { cat apt.log; exit 1; }; dpkg -x "$kernel"_*.deb kernel; rm -f "$kernel"_*.deb; }
root=root
rm -rf $root
mkdir -p $root/bin $root/modules $root/proc $root/sys $root/dev $root/tmp $root/share
cp "$(command -v busybox)" $root/bin/busybox
for name in $($root/bin/busybox --list); do [ "$name" = busybox ] || ln -sf busybox "$root/bin/$name"; done
tracer=$(command -v trace-cmd)
cp "$tracer" $root/bin/
ldd "$tracer" | grep -oE '/[^ ]+' | while read -r library; do mkdir -p "$root$(dirname "$library")"; cp "$library" "$root$library"; done
# Python, for the snapshot that is taken inside.
python=$(realpath /usr/bin/python3)
version=$(basename "$python")
mkdir -p $root/usr/bin "$root/usr/lib/$version"
cp "$python" $root/usr/bin/python3
(cd "/usr/lib/$version" && find . -name test -prune -o -name __pycache__ -prune -o \( -name '*.py' -o -name '*.so' \) -print | cpio -pdm --quiet "$work/$root/usr/lib/$version")
for binary in "$python" "/usr/lib/$version"/lib-dynload/_socket*.so "/usr/lib/$version"/lib-dynload/_struct*.so; do
    [ ! -e "$binary" ] || ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do mkdir -p "$root$(dirname "$library")"; cp -n "$library" "$root$library"; done
done
cp "$here/../resources/snapshot/kvm-snapshot.py" $root/
cc -O1 -static -pthread -o $root/bin/workload "$here/lab/workload.c"
modules="irqbypass kvm ccp kvm-amd netfs 9pnet 9pnet_virtio 9p"
for module in $modules; do
    file=$(find kernel/lib/modules -name "$module.ko*" | head -1)
    case $file in *.xz) xz -dc "$file" >$root/modules/"$module.ko" ;; *) cp "$file" $root/modules/ ;; esac
done
cat >$root/init <<END
#!/bin/sh
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tracefs trace /sys/kernel/tracing; mount -t tmpfs tmp /tmp
for module in $modules; do insmod /modules/\$module.ko || echo "no \$module"; done
mount -t 9p -o trans=virtio,version=9p2000.L share /share && sh /share/job.sh >/share/log.txt 2>&1
sync; poweroff -f
END
cat >share/job.sh <<'END'
uname -r
cd /tmp
T=/sys/kernel/tracing
sed -n '/kprobe_events/p' /share/recipe.sh | sed '/-:/d' >/tmp/probes.sh
R=$T sh /tmp/probes.sh
trace-cmd record -q -b 20000 -o /share/run.dat -e mirrorscope:kvm_set_memory_region -e kvmmmu -e kvm:kvm_page_fault -e kvm:kvm_exit -e kvm:kvm_entry -e kvm:kvm_unmap_hva_range -e kvm:kvm_age_hva workload 64
trace-cmd report -i /share/run.dat >/share/run.txt 2>/share/report.txt
echo 16384 >$T/buffer_size_kb
echo 10000000 >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs # nobody collapses pages behind the recording's end
for event in kvmmmu kvm/kvm_page_fault kvm/kvm_entry kvm/kvm_exit kvm/kvm_unmap_hva_range; do echo 1 >$T/events/$event/enable; done
echo 1 >$T/tracing_on
workload 64 /share/held &
while [ ! -e /share/held ]; do sleep 0.1; done
cat $T/trace >/share/held.txt
mkdir -p /share/kernel
cp /proc/kallsyms /sys/kernel/btf/vmlinux /sys/kernel/btf/kvm /share/kernel/
/usr/bin/python3 /kvm-snapshot.py --live -o /share/live.json
echo >/share/ready
sleep 100
END
# The program's own recipe, for a tracefs like that kernel's.
like=$work/tracefs
mkdir -p "$like/events/kvmmmu/kvm_tdp_mmu_spte_changed"
: >"$like/events/kvmmmu/kvm_tdp_mmu_spte_changed/enable"
echo "__kvm_set_memory_region [kvm]" >"$like/available_filter_functions"
"$mirrorscope" record --print --memslots --tracing "$like" >share/recipe.sh
chmod +x $root/init
(cd $root && find . | cpio -o -H newc --quiet | gzip -1) >initrd.gz
rm -f share/run.* share/held share/ready share/*.json
timeout 200 qemu-system-x86_64 -accel tcg,thread=multi -cpu EPYC-Milan-v1,+svm,+npt -smp 2 -m 2G -nographic -no-reboot \
    -kernel kernel/boot/vmlinuz-* -initrd initrd.gz -append "console=ttyS0 quiet mitigations=off" \
    -virtfs local,path="$PWD/share",mount_tag=share,security_model=none \
    -chardev socket,path=gdb,server=on,wait=off,id=gdb -gdb chardev:gdb >console.txt 2>&1 </dev/null &
qemu=$!
while kill -0 $qemu 2>/dev/null && [ ! -e share/ready ]; do sleep 0.2; done
if [ -e share/ready ]; then
    python3 "$here/../resources/snapshot/kvm-snapshot.py" --gdb "$PWD/gdb" --kernel share/kernel -o gdb.json
    kill $qemu # all that it has to say is in the folder
fi
wait $qemu || true
if ! grep -q done share/log.txt 2>/dev/null; then
    tail -20 console.txt
    cat share/log.txt 2>/dev/null || true
    echo "lab: nothing was recorded"
    exit 1
fi
for recording in run.dat run.txt; do
    "$mirrorscope" conform "share/$recording" --kernel 6.12 >"$recording.conform" || { cat "$recording.conform"; exit 1; }
    ! grep -q "Not checked" "$recording.conform" # the memslots are told
    "$mirrorscope" import "share/$recording" --kernel 6.12 -o "$recording.session" >"$recording.import"
    for at in 1000 3000 6000 end; do # and no name of a file
        "$mirrorscope" export "$recording.session" --as json --at $at | sed 's/"file": *"[^"]*"//; s/run\.\(dat\|txt\)//g'
    done >"$recording.states"
    sed 1d "$recording.import" >"$recording.summary"
done
# The tables as the kernel had them when the second recording ended.
for snapshot in share/live.json gdb.json; do
    [ -s $snapshot ] || { cat share/log.txt; echo "lab: no $snapshot"; exit 1; }
    "$mirrorscope" conform $snapshot >snapshot.conform || { cat snapshot.conform; exit 1; }
    "$mirrorscope" diff share/held.txt $snapshot >snapshot.diff || { cat snapshot.diff; exit 1; }
done
"$mirrorscope" diff share/live.json gdb.json >snapshot.diff || { cat snapshot.diff; exit 1; }
cmp run.dat.states run.txt.states
cmp run.dat.summary run.txt.summary
changes=$(grep -c kvm_tdp_mmu_spte_changed share/run.txt)
[ "$changes" -gt 500 ]
echo "lab: $(head -1 share/log.txt), $(wc -l <share/run.txt) lines, $changes changes of entries: as 6.12 makes them; text and trace.dat tell the same; $(grep -o '"raw"' gdb.json | wc -l) entries are in its memory as recorded"
