#include "agent/docker/container.h"

#include <doctest/doctest.h>

#include "agent/docker/docker_follower.h"

namespace agent {
namespace {

// As dockerd 20.10 answers, shortened.
constexpr std::string_view kInspect = R"json({
  "Id": "8c9", "Created": "2026-11-21T16:00:00.1Z", "Path": "nginx", "Args": ["-g"], "Name": "/web_1", "RestartCount": 0,
  "State": {"Status": "running", "Running": true, "Paused": false, "Pid": 42},
  "Image": "sha256:aa", "HostConfig": {"NetworkMode": "shop_default", "LogConfig": {"Type": "json-file"}},
  "Config": {"Hostname": "8c9", "Tty": false, "Image": "nginx:1.25",
    "Labels": {"com.docker.compose.service": "web", "com.docker.compose.project": "shop", "odd\"key": "\u00e9"}},
  "NetworkSettings": {"Ports": {"443/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8443"}], "80/tcp": null, "53/udp": null},
    "Networks": {"shop_default": {"NetworkID": "n2", "IPAddress": "172.18.0.2"}, "back": {"NetworkID": "n1", "IPAddress": "10.0.0.2"}}}})json";

constexpr std::string_view kNetworks =
    R"([{"Id":"n1","Name":"back","Scope":"local","Internal":true,"Ingress":false,"Labels":{"a.b":"c"}},{"Id":"n2","Name":"shop_default","Scope":"local","Labels":null}])";

std::string errors(const std::string& toml) {
  auto document = pipeline::ConfigDocument::parse(toml, "t", {});
  REQUIRE(document.has_value());
  read_docker(document->root());
  auto finished = document->finish();
  return finished ? "" : finished.error().message;
}

DockerOptions options(const std::string& toml) {
  auto document = pipeline::ConfigDocument::parse(toml, "t", {});
  REQUIRE(document.has_value());
  auto read = read_docker(document->root());
  REQUIRE(document->finish().has_value());
  return static_cast<const DockerOptions&>(*read);
}

}  // namespace

TEST_SUITE("agent/docker") {
  TEST_CASE("docker: a container gets the labels of Prometheus' discovery, and of its stream") {
    auto container = DockerContainer::parse(kInspect);
    REQUIRE(container.has_value());
    CHECK(container->running);
    CHECK_FALSE(container->terminal);
    auto labels = docker_labels(*container, *parse_networks(kNetworks), DockerOptions(), "stderr");
    auto is = [&](std::string_view name, std::string_view value) {
      INFO(name);
      CHECK(labels.get(name).value_or("none") == value);
    };
    is("__address__", "10.0.0.2:80");
    is("__meta_docker_container_id", "8c9");
    is("__meta_docker_container_name", "/web_1");
    is("__meta_docker_container_image", "nginx:1.25");
    is("__meta_docker_container_image_id", "sha256:aa");
    is("__meta_docker_container_network_mode", "shop_default");
    is("__meta_docker_container_log_stream", "stderr");
    is("__meta_docker_container_label_com_docker_compose_service", "web");
    is("__meta_docker_container_label_odd_key", "\xc3\xa9");
    is("__meta_docker_network_id", "n1");
    is("__meta_docker_network_name", "back");
    is("__meta_docker_network_ip", "10.0.0.2");
    is("__meta_docker_network_scope", "local");
    is("__meta_docker_network_internal", "true");
    is("__meta_docker_network_ingress", "false");
    is("__meta_docker_network_label_a_b", "c");
    is("__meta_docker_port_private", "80");
    is("__meta_docker_port_public", "none");
  }

  TEST_CASE("docker: a container in the host's network, and one without any") {
    auto host = DockerContainer::parse(
        R"({"Id":"1","Name":"/h","HostConfig":{"NetworkMode":"host"},"Config":{"Tty":true},"NetworkSettings":{"Networks":{"host":{"NetworkID":"n","IPAddress":""}}}})");
    REQUIRE(host.has_value());
    CHECK(host->terminal);
    CHECK(docker_labels(*host, {}, DockerOptions(), "stdout").get("__address__") == "localhost");
    auto bare = DockerContainer::parse(R"({"Id":"1"})");
    REQUIRE(bare.has_value());
    CHECK(docker_labels(*bare, {}, DockerOptions(), "stdout").get("__meta_docker_container_id") == "1");
  }

  TEST_CASE("docker: answers that are none of a daemon's are refused") {
    for (std::string_view bad : {"", "[]", "{}", "{", "null", R"({"Id":1})"})
      CHECK_FALSE(DockerContainer::parse(bad).has_value());
    for (std::string_view bad : {"", "{}", "[", "null"}) {
      CHECK_FALSE(parse_container_list(bad).has_value());
      CHECK_FALSE(parse_networks(bad).has_value());
    }
    auto list = parse_container_list(R"([{"Id":"a","State":"running"},{"Id":"b","State":"exited"},{"State":"x"}])");
    REQUIRE(list.has_value());
    REQUIRE(list->size() == 2);
    CHECK((*list)[0].running);
    CHECK_FALSE((*list)[1].running);
  }

  TEST_CASE("docker: a position is read back as it was written, and nothing else is one") {
    DockerPosition position{1'795'255'200'500'000'000, 3};
    auto again = DockerPosition::parse(position.text());
    REQUIRE(again.has_value());
    CHECK(again->time == position.time);
    CHECK(again->count == 3);
    for (std::string_view bad : {"", "1", "1 ", "x 1", "1 x", "-1 1", "1 1 1"})
      CHECK_FALSE(DockerPosition::parse(bad).has_value());
  }

  TEST_CASE("docker: hosts and filters are taken over, wrong ones told with their remedy") {
    CHECK(options("").unix_socket == "/var/run/docker.sock");
    CHECK(options("socket = \"/run/d.sock\"").unix_socket == "/run/d.sock");
    CHECK(options("host = \"tcp://127.0.0.1:2375\"").base_url == "http://127.0.0.1:2375");
    CHECK(options("host = \"tcp://127.0.0.1:2376\"\ntls = { ca_file = \"ca.pem\" }").base_url ==
          "https://127.0.0.1:2376");
    CHECK(options("[[filter]]\nname = \"label\"\nvalues = [\"a=b\", \"c\"]\n[[filter]]\nname = \"status\"\nvalues = "
                  "\"running\"\n")
              .filters == R"({"label":["a=b","c"],"status":["running"]})");
    CHECK(errors("host = \"docker.sock\"").find("is no address of a daemon; write unix://") != std::string::npos);
    CHECK(errors("host = \"tcp://x:1\"\nsocket = \"/x\"").find("keep one of them") != std::string::npos);
    CHECK(errors("[[filter]]\nname = \"label\"\n").find("a filter without values") != std::string::npos);
    CHECK(errors("refresh_interval = \"1ms\"").find("less than a second") != std::string::npos);
    CHECK(errors("refresh_intervall = \"1m\"").find("did you mean \"refresh_interval\"") != std::string::npos);
  }
}

}  // namespace agent
