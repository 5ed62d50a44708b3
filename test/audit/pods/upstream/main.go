package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	checks := policy.DefaultChecks()
	sort.Slice(checks, func(i, j int) bool { return checks[i].ID < checks[j].ID })
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		var template corev1.PodTemplateSpec
		if err := json.Unmarshal(in.Bytes(), &template); err != nil {
			fmt.Fprintln(out, `{"error":true}`)
			continue
		}
		failed := []string{}
		for _, check := range checks {
			latest := check.Versions[len(check.Versions)-1]
			if !latest.CheckPod(&template.ObjectMeta, &template.Spec).Allowed {
				failed = append(failed, string(check.Level)+":"+string(check.ID))
			}
		}
		line, _ := json.Marshal(failed)
		fmt.Fprintln(out, string(line))
	}
}
