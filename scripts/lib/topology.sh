# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The lab's network, made inside a sandbox: one Ethernet segment with a client, a balancer and backends.
#
#   client                      lb                      gpu-1 .. gpu-N
#   eth0 10.0.9.2-11/16         lb0 10.0.0.1/16         eth0 10.0.1.11.. /16, VIP 203.0.113.10 on lo
#      |                         |                       |
#      +-------------------------+------ sw (br0) -------+
#
# The client sends what is for the VIP to the balancer; the backends answer it directly.
# Source it after common.sh.

lab_vip=203.0.113.10
lab_balancer=10.0.0.1
lab_client=10.0.9.2
lab_client_addresses=10
lab_dir=/run/lab

backend_address() { echo "10.0.1.$((10 + ${1#gpu-}))"; }
in_namespace() {
  local namespace=$1
  shift
  nsenter --net="/run/netns/$namespace" -- "$@"
}

# add_namespace NAME: no IPv6 (its chatter disturbs counts), no reverse path filter (answers do not come
# back the way the requests went).
add_namespace() {
  ip netns add "$1"
  local settings=(net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0)
  [[ ! -d /proc/sys/net/ipv6 ]] ||
    settings+=(net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1)
  in_namespace "$1" sysctl -qw "${settings[@]}"
  ip -n "$1" link set lo up
}

# plug NAMESPACE DEVICE MAC ADDRESS/LENGTH: a cable from there to the switch. Without its offloads a veth
# carries half-done checksums and 64 KiB segments, which a program that reads frames cannot use.
plug() {
  local namespace=$1 device=$2 mac=$3 address=$4 tap=to-$1
  ip link add "$device" netns "$namespace" address "$mac" type veth peer name "$tap" netns sw
  local side
  for side in "$namespace $device" "sw $tap"; do
    in_namespace "${side% *}" ethtool -K "${side#* }" tx off sg off tso off gso off gro off >/dev/null 2>&1 ||
      in_namespace "${side% *}" ethtool -K "${side#* }" tx off >/dev/null
  done
  ip -n sw link set "$tap" master br0 up
  ip -n "$namespace" link set "$device" up
  ip -n "$namespace" addr add "$address" dev "$device"
}

# make_network: switch, client and balancer.
make_network() {
  local i
  mkdir -p "$lab_dir/tmp"
  add_namespace sw
  ip -n sw link add br0 type bridge stp_state 0 mcast_snooping 0
  ip -n sw link set br0 up
  add_namespace client
  plug client eth0 02:00:00:00:09:02 "$lab_client/16"
  for ((i = 1; i < lab_client_addresses; ++i)); do
    ip -n client addr add "10.0.9.$((2 + i))/16" dev eth0
  done
  ip -n client route add "$lab_vip/32" via "$lab_balancer" src "$lab_client"
  add_namespace lb
  plug lb lb0 02:00:00:00:00:01 "$lab_balancer/16"
}

# make_backend NAME: NAME is gpu-K. Prints nothing; nginx answers on port 80 of the VIP when it returns.
make_backend() {
  local name=$1 address mac
  address=$(backend_address "$name")
  mac=$(printf '02:00:00:00:01:%02x' $((10 + ${name#gpu-})))
  add_namespace "$name"
  # The VIP is everybody's: only the balancer's neighbours may hear of it, and only through it.
  in_namespace "$name" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
  plug "$name" eth0 "$mac" "$address/16"
  ip -n "$name" addr add "$lab_vip/32" dev lo
  # A full segment must still fit the tunnel: 20 bytes of outer header less than the link has.
  ip -n "$name" route change 10.0.0.0/16 dev eth0 src "$address" advmss 1440
  take_tunnel "$name"
  start_server "$name"
}

# take_tunnel NAME: our XDP program on the backend's interface takes the outer header off, since not every
# kernel has an ipip driver.
take_tunnel() {
  local object=$SLUICE_BUILD/lib/xdp/decap.bpf.o mode
  [[ -f $object ]] || die "$object is missing; run: ninja -C $SLUICE_BUILD"
  for mode in xdpdrv xdpgeneric; do
    if in_namespace "$1" ip link set dev eth0 "$mode" object "$object" program sluice_decap 2>"$lab_dir/tmp/decap.$1"; then return 0; fi
  done
  complain "backend $1 cannot take tunnelled packets, only l2dsr: $(head -n 1 "$lab_dir/tmp/decap.$1")"
}

# start_server NAME: an nginx that answers as an inference server would.
start_server() {
  local name=$1 home=$lab_dir/$1 word
  mkdir -p "$home/temp"
  for word in {1..4000}; do printf 'data: {"token": %d}\n\n' "$word"; done >"$home/stream.txt"
  cat >"$home/nginx.conf" <<EOF
daemon off;
master_process off;
pid $home/nginx.pid;
error_log $home/error.log warn;
events { worker_connections 8192; }
http {
  log_format lab '\$remote_addr:\$remote_port \$server_addr "\$request" \$status \$body_bytes_sent';
  access_log $home/access.log lab;
  client_body_temp_path $home/temp/body;
  proxy_temp_path $home/temp/proxy;
  fastcgi_temp_path $home/temp/fastcgi;
  uwsgi_temp_path $home/temp/uwsgi;
  scgi_temp_path $home/temp/scgi;
  default_type application/json;
  keepalive_requests 1000000;
  server {
    listen 80 backlog=8192;
    location = /health { return 200 '{"status":"ok","backend":"$name"}\n'; }
    location = /v1/models { return 200 '{"object":"list","backend":"$name","data":[{"id":"lab-7b","object":"model"}]}\n'; }
    location = /v1/completions {
      return 200 '{"id":"cmpl-\$request_id","object":"text_completion","model":"lab-7b","backend":"$name","choices":[{"index":0,"text":" forty-two","finish_reason":"stop"}]}\n';
    }
    # Tokens one by one: a connection that lasts some seconds.
    location = /v1/stream {
      default_type text/event-stream;
      add_header X-Backend $name;
      limit_rate 30k;
      alias $home/stream.txt;
    }
  }
}
EOF
  in_namespace "$name" setsid nginx -e "$home/error.log" -p "$home/" -c "$home/nginx.conf" \
    </dev/null >"$home/output.log" 2>&1 &
  wait_until 10 "nginx of $name" in_namespace "$name" curl -sf -o /dev/null "http://$lab_vip/health"
}
