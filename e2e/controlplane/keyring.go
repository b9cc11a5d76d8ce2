package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// A lookup is one line of input: the pull secrets of a pod, in its order, and
// the images that it names.
type lookup struct {
	Secrets []corev1.Secret `json:"secrets"`
	Images  []string        `json:"images"`
}

// A found is one line of output. With an error the kubelet refuses the secrets
// and pulls nothing for the pod.
type found struct {
	Error string `json:"error,omitempty"`
	// Logins are all that the kubelet read, in the order of its keys; those of
	// one key by user name, since the kubelet's own order is random within one
	// secret.
	Logins []login `json:"logins"`
	// Images has, for each image, the logins that the kubelet would try, in its
	// order, as positions in Logins; null where it refuses the image's name.
	Images [][]int `json:"images"`
}

// A login is the normalised key that it is filed under, user name, password.
type login [3]string

// inOrder puts keys into the kubelet's order, which is reverse.
func inOrder(a, b login) int {
	return cmp.Or(-strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1]), strings.Compare(a[2], b[2]))
}

// keyring answers every line of JSON with one line, until the input ends. It is
// what makeLookupPullCredentialsFunc of pkg/kubelet/images does with the
// secrets of a pod, without the node's own docker config and its plugins:
// those would make the answer depend on the machine.
func keyring(in io.Reader, out, errors io.Writer) int {
	if err := answerAll(in, out); err != nil {
		fmt.Fprintln(errors, "keyring:", err)
		return 1
	}
	return 0
}

func answerAll(in io.Reader, out io.Writer) error {
	// The kubelet logs each key that it skips; here that is no news.
	klog.SetLogger(klog.Logger{})
	decoder, buffered := json.NewDecoder(in), bufio.NewWriter(out)
	encoder := json.NewEncoder(buffered)
	for {
		var asked lookup
		if err := decoder.Decode(&asked); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		answer, err := answerTo(asked)
		if err != nil {
			return err
		}
		if err := encoder.Encode(answer); err != nil {
			return err
		}
		// Whoever asks may wait for the answer before asking again.
		if err := buffered.Flush(); err != nil {
			return err
		}
	}
}

func answerTo(asked lookup) (found, error) {
	keyring, err := secrets.MakeDockerKeyring(asked.Secrets, credentialprovider.UnionDockerKeyring{})
	if err != nil {
		return found{Error: err.Error()}, nil
	}
	answer := found{Logins: readBy(keyring), Images: [][]int{}}
	for _, image := range asked.Images {
		repository, _, _, err := parsers.ParseImageName(image)
		if err != nil {
			answer.Images = append(answer.Images, nil)
			continue
		}
		credentials, _ := keyring.Lookup(repository)
		tried, err := positions(credentials, answer.Logins, repository)
		if err != nil {
			return found{}, err
		}
		answer.Images = append(answer.Images, tried)
	}
	return answer, nil
}

// readBy returns every login of the keyring.
func readBy(keyring credentialprovider.DockerKeyring) []login {
	logins := []login{}
	union, _ := keyring.(credentialprovider.UnionDockerKeyring)
	for _, one := range union {
		basic, ok := one.(*credentialprovider.BasicDockerKeyring)
		if !ok {
			continue
		}
		// Nothing else tells the keys; a field of another name panics.
		for entries := reflect.ValueOf(basic).Elem().FieldByName("creds").MapRange(); entries.Next(); {
			for i := range entries.Value().Len() {
				auth := entries.Value().Index(i).FieldByName("AuthConfig")
				user, password := auth.FieldByName("Username"), auth.FieldByName("Password")
				logins = append(logins, login{entries.Key().String(), user.String(), password.String()})
			}
		}
	}
	slices.SortFunc(logins, inOrder)
	return logins
}

// positions finds what the kubelet gave in logins: the same login may stand
// under several keys, and only a key's logins as a whole have a known order.
func positions(given []credentialprovider.TrackedAuthConfig, logins []login, repository string) ([]int, error) {
	matching := func(key string) bool {
		matched, _ := credentialprovider.URLsMatchStr(key, repository)
		return matched
	}
	tried := []int{}
	for i, login := range logins {
		if matching(login[0]) {
			tried = append(tried, i)
		}
	}
	if len(tried) == 0 && len(given) > 0 {
		for i, login := range logins {
			if login[0] == "index.docker.io" {
				tried = append(tried, i)
			}
		}
	}
	if !same(given, logins, tried) {
		return nil, fmt.Errorf("what the kubelet finds for %q is not what its keys say", repository)
	}
	return tried, nil
}

// same says whether the logins at those positions are the given ones, those of
// one key in any order.
func same(given []credentialprovider.TrackedAuthConfig, logins []login, tried []int) bool {
	if len(given) != len(tried) {
		return false
	}
	filed := make([]login, len(given))
	expected := make([]login, len(given))
	for i, position := range tried {
		expected[i] = logins[position]
		filed[i] = login{expected[i][0], given[i].Username, given[i].Password}
	}
	slices.SortFunc(filed, inOrder)
	return slices.Equal(filed, expected)
}
