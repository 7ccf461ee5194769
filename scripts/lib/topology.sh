# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The lab's network, made inside a sandbox: one Ethernet segment with a client, a balancer and backends, and
# a second client behind a router whose way to the segment takes 1,400 bytes a packet.
#
#   client                      lb                        gpu-1 .. gpu-N
#   eth0 10.0.9.2-11/16         lb0 10.0.0.1/16           eth0 10.0.1.11.. /16, VIPs 203.0.113.10
#   2001:db8:a::9:2-b/64        2001:db8:a::1/64          2001:db8:a::1:b.. /64, 2001:db8:f::10 on lo
#      |                         |                         |
#      +---------+---------------+-------- sw (br0) -------+
#                |
#   rt           eth0 10.0.8.1/16, 2001:db8:a::8:1/64      both ways: at most 1,400 bytes
#                |
#   far          eth0 10.9.0.2-11/24, 2001:db8:b::2-b/64
#
# Clients send what is for a VIP to the balancer; the backends answer them directly, or through NAT by the
# balancer's addresses 10.0.0.2 and 2001:db8:a::2. The balancer's cable has two queues; it
# receives on one until set_queues tells otherwise. `scripts/lab add lb2` makes room for a second balancer,
# like lb but at 10.0.0.3 and 2001:db8:a::3.
# Source it after common.sh.

lab_vip=203.0.113.10 lab_vip6=2001:db8:f::10
lab_balancer=10.0.0.1 lab_balancer6=2001:db8:a::1
lab_nat=10.0.0.2 lab_nat6=2001:db8:a::2
lab_client=10.0.9.2 lab_client6=2001:db8:a::9:2
lab_router=10.0.8.1 lab_router6=2001:db8:a::8:1
lab_client_addresses=10
lab_narrow=1400
lab_dir=/run/lab

backend_address() { echo "10.0.1.$((10 + ${1#gpu-}))"; }
backend_address6() { printf '2001:db8:a::1:%x\n' "$((10 + ${1#gpu-}))"; }
in_namespace() {
  local namespace=$1
  shift
  nsenter --net="/run/netns/$namespace" -- "$@"
}

# add_namespace NAME: no IPv6 chatter that can be helped (it disturbs counts), no reverse path filter
# (answers do not come back the way the requests went).
add_namespace() {
  ip netns add "$1"
  local settings=(net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0) which
  if [[ -d /proc/sys/net/ipv6 ]]; then
    for which in all default; do
      settings+=("net.ipv6.conf.$which.accept_ra=0" "net.ipv6.conf.$which.accept_dad=0"
        "net.ipv6.conf.$which.router_solicitations=0")
    done
  fi
  # A segment sent again hashes as before, as it does for a NIC: it comes to the same queue.
  [[ ! -e /proc/sys/net/core/txrehash ]] || settings+=(net.core.txrehash=0)
  in_namespace "$1" sysctl -qw "${settings[@]}"
  ip -n "$1" link set lo up
}

# quiet NAMESPACE DEVICE: without its offloads a veth carries half-done checksums, 64 KiB segments and VLAN
# tags beside the frame, which a program that reads frames cannot use.
quiet() {
  in_namespace "$1" ethtool -K "$2" tx off sg off tso off gso off gro off txvlan off >/dev/null 2>&1 ||
    in_namespace "$1" ethtool -K "$2" tx off >/dev/null
}

# cable NAMESPACE DEVICE MAC NAMESPACE DEVICE [QUEUES]: both ends up. Only the balancer's has two queues: a
# frame that left another cable by its second one would be taken for one that arrived on the first, and the
# switch would not spread it any more.
cable() {
  local queues=${6:-1}
  ip link add "$2" netns "$1" address "$3" numtxqueues "$queues" numrxqueues "$queues" type veth \
    peer name "$5" netns "$4" numtxqueues "$queues" numrxqueues "$queues"
  quiet "$1" "$2"
  quiet "$4" "$5"
  ip -n "$1" link set "$2" up
  ip -n "$4" link set "$5" up
}

# plug NAMESPACE DEVICE MAC ADDRESS/LENGTH ADDRESS6/LENGTH [QUEUES]: a cable from there to the switch.
plug() {
  cable "$1" "$2" "$3" sw "to-$1" "${6:-1}"
  ip -n sw link set "to-$1" master br0
  ip -n "$1" addr add "$4" dev "$2"
  ip -n "$1" addr add "$5" dev "$2" nodad
}

# take_replies NAMESPACE DEVICE: what the XDP filter at the other end sends back by itself arrives there.
take_replies() {
  local object=$SLUICE_BUILD/lib/xdp/tag.bpf.o mode
  [[ -f $object ]] || {
    complain "$object is missing, so refusals and answers of the XDP filter are lost; run: ninja -C $SLUICE_BUILD"
    return 0
  }
  for mode in xdpdrv xdpgeneric; do
    if in_namespace "$1" ip -force link set dev "$2" "$mode" object "$object" section xdp 2>/dev/null; then return 0; fi
  done
  complain "refusals and answers of the XDP filter are lost: $2 does not take them"
}

# more_addresses NAMESPACE PREFIX FIRST LENGTH PREFIX6 LENGTH6: on its eth0, those behind the first one.
more_addresses() {
  local i
  for ((i = 1; i < lab_client_addresses; ++i)); do
    echo "addr add $2$(($3 + i))/$4 dev eth0"
    printf 'addr add %s%x/%s dev eth0 nodad\n' "$5" "$(($3 + i))" "$6"
  done | ip -n "$1" -batch -
}

# make_network: switch, both clients, router and balancer.
make_network() {
  mkdir -p "$lab_dir/tmp"
  add_namespace sw
  [[ ! -d /proc/sys/net/ipv6 ]] || in_namespace sw sysctl -qw net.ipv6.conf.default.disable_ipv6=1
  ip -n sw link add br0 type bridge stp_state 0 mcast_snooping 0
  ip -n sw link set br0 up

  add_namespace client
  # The tests' clients bind ports below 61000 themselves: the kernel's own choice must never take one.
  in_namespace client sysctl -qw net.ipv4.ip_local_port_range="61000 65535"
  plug client eth0 02:00:00:00:09:02 "$lab_client/16" "$lab_client6/64"
  more_addresses client 10.0.9. 2 16 2001:db8:a::9: 64
  ip -n client route add "$lab_vip/32" via "$lab_balancer" src "$lab_client"
  ip -n client route add "$lab_vip6/128" via "$lab_balancer6" src "$lab_client6"

  make_balancer lb 1 2
  ip -n lb addr add "$lab_nat/32" dev lb0
  ip -n lb addr add "$lab_nat6/128" dev lb0 nodad
  set_queues 1

  add_namespace rt
  plug rt eth0 02:00:00:00:08:01 "$lab_router/16" "$lab_router6/64"
  add_namespace far
  cable far eth0 02:00:00:00:08:02 rt far0
  ip -n rt addr add 10.9.0.1/24 dev far0
  ip -n rt addr add 2001:db8:b::1/64 dev far0 nodad
  ip -n far addr add 10.9.0.2/24 dev eth0
  ip -n far addr add 2001:db8:b::2/64 dev eth0 nodad
  more_addresses far 10.9.0. 2 24 2001:db8:b:: 64
  ip -n far route add default via 10.9.0.1
  ip -n far route add default via 2001:db8:b::1
  in_namespace rt sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  # A device's MTU would show in the segment size that both ends offer; a route's shows in ICMP alone.
  ip -n rt route add "$lab_vip/32" via "$lab_balancer" mtu lock "$lab_narrow"
  ip -n rt route add "$lab_vip6/128" via "$lab_balancer6" mtu lock "$lab_narrow"
  ip -n rt route replace 10.9.0.0/24 dev far0 src 10.9.0.1 mtu lock "$lab_narrow"
  ip -n rt route add 2001:db8:b::/64 dev far0 metric 100 mtu lock "$lab_narrow"
}

# make_balancer NAME K [QUEUES]: a place for one, with the addresses 10.0.0.K and 2001:db8:a::K.
make_balancer() {
  add_namespace "$1"
  plug "$1" lb0 "02:00:00:00:00:0$2" "10.0.0.$2/16" "2001:db8:a::$2/64" "${3:-1}"
  take_replies sw "to-$1"
  route_far "$1" lb0
}

# route_far NAMESPACE DEVICE: its way to the client behind the router.
route_far() {
  ip -n "$1" route add 10.9.0.0/24 via "$lab_router" dev "$2"
  ip -n "$1" route add 2001:db8:b::/64 via "$lab_router6" dev "$2"
}

# set_queues N: how many queues the balancer's interface receives on, 1 or 2. Flows are spread over them by
# their hash at the switch.
set_queues() {
  # A veth with a program must receive on as many as its peer sends on; the switch's end always has one.
  in_namespace sw ethtool -L to-lb tx 1 rx 2 2>/dev/null || :
  in_namespace lb ethtool -L lb0 rx "$1" tx "$1" 2>/dev/null || :
  in_namespace sw ethtool -L to-lb rx "$1" tx "$1" 2>/dev/null || :
}

# set_vlan on|off: whether TCP and UDP reach the balancer under a VLAN tag (and lose it behind the balancer).
set_vlan() {
  in_namespace sw tc qdisc del dev to-lb clsact 2>/dev/null || :
  [[ $1 == on ]] || return 0
  local hook
  in_namespace sw tc qdisc add dev to-lb clsact
  for hook in egress ingress; do
    in_namespace sw tc filter add dev to-lb "$hook" bpf direct-action \
      object-file "$SLUICE_BUILD/lib/xdp/tag.bpf.o" section tc
  done
}

# make_backend NAME: NAME is gpu-K. Prints nothing; nginx answers on port 80 of the VIP when it returns.
make_backend() {
  local name=$1 address mac
  address=$(backend_address "$name")
  mac=$(printf '02:00:00:00:01:%02x' $((10 + ${name#gpu-})))
  add_namespace "$name"
  # The VIP is everybody's: only the balancer's neighbours may hear of it, and only through it.
  in_namespace "$name" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
  plug "$name" eth0 "$mac" "$address/16" "$(backend_address6 "$name")/64"
  ip -n "$name" addr add "$lab_vip/32" dev lo
  ip -n "$name" addr add "$lab_vip6/128" dev lo nodad
  # A full segment must still fit the tunnel: 20 bytes of outer header less than the link has.
  ip -n "$name" route change 10.0.0.0/16 dev eth0 src "$address" advmss 1440
  route_far "$name" eth0
  take_tunnel "$name"
  start_server "$name"
}

# take_tunnel NAME: our XDP program on the backend's interface takes the outer header off, since not every
# kernel has tunnel drivers.
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
    listen [::]:80 backlog=8192;
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
  wait_until 10 "nginx of $name" in_namespace "$name" curl -sf -o /dev/null -o /dev/null "http://$lab_vip/health" "http://[$lab_vip6]/health"
}
