"""Programs of others for tests, where Debian's packages cannot be installed beside one another: unpacked into the build folder, once."""
import glob
import os
import shutil
import subprocess

import programs


def unpacked(name, packages):
    """The folder with the files of `packages` (and of what these need that is not installed). A package that cannot be had is a failure."""
    folder = os.path.join(programs.BUILD, "services", name)
    if os.path.isdir(folder):
        return folder
    scratch = folder + ".part"
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch + "/debs")
    done = subprocess.run(["apt-get", "download", *packages], cwd=scratch + "/debs", capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"apt-get download {' '.join(packages)}: {done.stdout}{done.stderr}")
    for deb in glob.glob(scratch + "/debs/*.deb"):
        subprocess.run(["dpkg", "-x", deb, scratch], check=True, timeout=60)
    shutil.rmtree(scratch + "/debs")
    os.rename(scratch, folder)
    return folder


def syslog_ng():
    """(argv, environment) of syslog-ng, with its http destination; to be followed by -f FILE and the like."""
    folder = unpacked("syslog-ng", ["syslog-ng-core", "syslog-ng-mod-http", "libglib2.0-0", "libivykis0", "libnet1", "libpcre3", "libwrap0"])
    libraries = f"{folder}/usr/lib/syslog-ng:{folder}/usr/lib/x86_64-linux-gnu:{folder}/lib/x86_64-linux-gnu"
    return [f"{folder}/usr/sbin/syslog-ng", "-F", "--no-caps", f"--module-path={folder}/usr/lib/syslog-ng/3.38"], dict(os.environ, LD_LIBRARY_PATH=libraries)
