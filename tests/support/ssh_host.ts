import demoDockerfile from "../../lib/assets/demo.dockerfile" with { type: "text" };
import { docker } from "./engine.ts";

/** Where keys of tests are made and kept: pairs by their name. */
export interface TestKey {
  readonly path: string;
  /** `TYPE BASE64`, without a comment. */
  readonly publicKey: string;
}

/** Makes a pair in `folder`; the private half is for its owner alone. */
export async function makeKey(
  folder: string,
  { name, options = ["-t", "ed25519"] }: { readonly name: string; readonly options?: readonly string[] },
): Promise<TestKey> {
  const path = `${folder}/${name}`;
  const { success, stderr } = await new Deno.Command("ssh-keygen", {
    args: ["-q", "-N", "", "-C", name, ...options, "-f", path],
    stdin: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const [type = "", blob = ""] = (await Deno.readTextFile(`${path}.pub`)).split(" ");
  return { path, publicKey: `${type} ${blob.trim()}` };
}

/** The image of ssh hosts, built on the agent image when it is missing. */
async function hostImage(agentImage: string): Promise<string> {
  const base = await docker("image", "inspect", "--format", "{{.Id}}", agentImage);
  const bytes = new TextEncoder().encode(demoDockerfile + base);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, 12);
  const name = `claude-bottle-demo:${digest}`;
  if (await docker("image", "inspect", "--format", "{{.Id}}", name).catch(() => "") !== "") return name;
  const child = new Deno.Command("docker", {
    args: ["image", "build", "--quiet", "--force-rm", "--build-arg", `BASE=${base}`, "--tag", name, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ success, stderr }] = await Promise.all([
    child.output(),
    ReadableStream.from([new TextEncoder().encode(demoDockerfile)]).pipeTo(child.stdin),
  ]);
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return name;
}

/** Serves on 22 and 2222 until its stdin ends; `git` has a repository, and everybody says who they are. */
const SERVE = `
umask 022
for user in git other; do
  useradd --create-home --shell /bin/bash "$user"
  usermod --password '*' "$user"
done
usermod --password '*' root
mkdir -p /etc/ssh/authorized /srv
printf '%s\\n' "$HOST_KEY" > /etc/ssh/host_key
chmod 600 /etc/ssh/host_key
for user in git other root; do printf '%s' "$AUTHORIZED" > "/etc/ssh/authorized/$user"; done
git init --quiet --bare --initial-branch=main /srv/repo.git
git -C /srv/repo.git symbolic-ref HEAD refs/heads/main
seed=$(mktemp -d)
git -C "$seed" init --quiet --initial-branch=main
echo hello > "$seed/README"
git -C "$seed" add README
git -C "$seed" -c user.name=seed -c user.email=seed@test commit --quiet --message seed
git -C "$seed" push --quiet /srv/repo.git main
chown -R git:git /srv/repo.git
cat > /etc/ssh/sshd_config <<END
Port 22
Port 2222
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized/%u
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
PerSourcePenalties no
END
mkdir -p /run/sshd
/usr/sbin/sshd
echo ready
cat > /dev/null
`;

/** A running ssh server on 22 and 2222; disposing removes its container and its network. */
export interface SshHost extends AsyncDisposable {
  /** Name of the network that it alone is in. */
  readonly network: string;
}

/** Starts one that has `names` in a network of its own, takes `authorized` for git, other and root, and ends with this process. */
export async function startSshHost(
  options: {
    readonly agentImage: string;
    readonly names: readonly string[];
    readonly hostKey: TestKey;
    readonly authorized: readonly TestKey[];
  },
): Promise<SshHost> {
  const image = await hostImage(options.agentImage);
  const network = `ssh-host-${crypto.randomUUID().slice(0, 13)}`;
  const label = ["--label", `claude-bottle-test=${network}`];
  await docker("network", "create", "--internal", ...label, network);
  const child = new Deno.Command("docker", {
    args: [
      ...["run", "--interactive", "--rm", "--init", "--runtime", "runc", "--name", network, ...label],
      ...["--network", network, ...options.names.flatMap((name) => ["--network-alias", name])],
      ...[
        "--env",
        "HOST_KEY",
        "--env",
        "AUTHORIZED",
        "--user",
        "0:0",
        "--entrypoint",
        "bash",
        image,
        "-ec",
        SERVE,
      ],
    ],
    env: {
      HOST_KEY: await Deno.readTextFile(options.hostKey.path),
      AUTHORIZED: options.authorized.map(({ publicKey }) => `${publicKey}\n`).join(""),
    },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const host: SshHost = {
    network,
    async [Symbol.asyncDispose](): Promise<void> {
      await child.stdin.close().catch(() => {});
      await reader.cancel().catch(() => {});
      await docker("rm", "--force", "--volumes", network).catch(() => {});
      await child.status;
      await stderr;
      await docker("network", "rm", network);
    },
  };
  const { value } = await reader.read();
  if (value?.trim() === "ready") return host;
  await host[Symbol.asyncDispose]();
  throw new Error(`The ssh host did not start: ${await stderr}`);
}
